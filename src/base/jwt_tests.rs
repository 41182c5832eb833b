//! Signed tokens and the keys that verify them; and keys that sign, for the tests of those who take tokens.

use super::json;
use super::jwk::{Algorithm, KeySet};
use super::jwt::{Claims, LEEWAY, MAX_LENGTH, Refused, Unverified};
use super::{Timestamp, random};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// A key of each type.
pub(crate) struct Keys {
    point: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

pub(crate) static KEYS: LazyLock<Keys> = LazyLock::new(Keys::new);

impl Keys {
    pub(crate) fn new() -> Self {
        let point = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { point, rsa: RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap() }
    }

    /// Their public halves as a JWK set.
    pub(crate) fn public(&self) -> Value {
        json!({"keys": [self.public_point(), self.public_rsa()]})
    }

    /// A token of these claims, signed by the key of the algorithm.
    pub(crate) fn token(&self, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
        self.token_of(algorithm, &header.to_string(), &claims.to_string())
    }

    fn token_of(&self, algorithm: Algorithm, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", encoded(signature))
    }

    fn public_point(&self) -> Value {
        let point = self.point.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "kid": "point", "x": encoded(&point[1..33]), "y": encoded(&point[33..65])})
    }

    fn public_rsa(&self) -> Value {
        // RSAPublicKey of RFC 8017: a modulus of 257 octets behind the heads of the sequence and its own, and an exponent of three.
        let key = self.rsa.public_key().as_ref();
        json!({"kty": "RSA", "kid": "rsa", "use": "sig", "n": encoded(&key[9..265]), "e": encoded(&key[267..]), "x5c": ["…"]})
    }

    fn set(&self) -> KeySet {
        KeySet::read(&self.public()).unwrap()
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let by_rsa = |padding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(padding, &random::source(), message, &mut signature).unwrap();
            signature
        };
        match algorithm {
            Algorithm::Es256 => self.point.sign(&random::source(), message).unwrap().as_ref().to_vec(),
            Algorithm::Ps256 => by_rsa(&RSA_PSS_SHA256),
            Algorithm::Rs256 => by_rsa(&RSA_PKCS1_SHA256),
        }
    }
}

fn encoded(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

fn token_of(algorithm: Algorithm, header: &str, claims: &str) -> String {
    KEYS.token_of(algorithm, header, claims)
}

fn token(algorithm: Algorithm, claims: &Value) -> String {
    KEYS.token(algorithm, &json!({"alg": algorithm.text()}), claims)
}

fn verified(token: &str) -> Result<Claims, Refused> {
    Unverified::read(token)?.verify(&KEYS.set(), "at+jwt")
}

#[test]
fn each_algorithm_is_verified_by_its_key_and_with_or_without_its_name() {
    for (algorithm, key) in Algorithm::ALL.into_iter().zip(["point", "rsa", "rsa"]) {
        for header in [
            json!({"alg": algorithm.text()}),
            json!({"alg": algorithm.text(), "kid": key, "typ": "JWT", "x5t": "anything"}),
            json!({"alg": algorithm.text(), "typ": "application/AT+jwt"}),
        ] {
            let claims = verified(&token_of(algorithm, &header.to_string(), r#"{"sub":"a"}"#)).unwrap();
            assert_eq!(claims.text("sub"), Ok("a"), "{header}");
        }
    }
}

#[test]
fn headers_that_are_not_of_such_a_token_are_refused() {
    for (header, reason) in [
        (r#"{"alg":"none"}"#, Refused::Algorithm),
        (r#"{"alg":"HS256"}"#, Refused::Algorithm),
        (r#"{"alg":"ES384"}"#, Refused::Algorithm),
        (r#"{"alg":"es256"}"#, Refused::Algorithm),
        (r#"{"alg":"RS256"}"#, Refused::Signature),
        (r#"{"alg":"RS256","kid":"point"}"#, Refused::Algorithm),
        (r#"{"alg":"ES256","kid":"rsa"}"#, Refused::Algorithm),
        (r#"{"alg":"ES256","kid":"another"}"#, Refused::Key("another".to_owned())),
        (r#"{"alg":"ES256","kid":7}"#, Refused::Malformed),
        (r#"{"alg":["ES256"]}"#, Refused::Malformed),
        (r#"{"typ":"JWT"}"#, Refused::Algorithm),
        (r#"{"alg":"ES256","crit":["exp"],"exp":1}"#, Refused::Critical),
        (r#"{"alg":"ES256","crit":[]}"#, Refused::Critical),
        (r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#, Refused::Critical),
        (r#"{"alg":"ES256","typ":"secevent+jwt"}"#, Refused::Type),
        (r#"{"alg":"ES256","typ":"client-authentication+jwt"}"#, Refused::Type),
        (r#"{"alg":"none","alg":"ES256"}"#, Refused::Malformed),
        (r#"{"alg":"ES256","x":{"y":1,"y":2}}"#, Refused::Malformed),
        (r#"["ES256"]"#, Refused::Malformed),
        ("", Refused::Malformed),
    ] {
        assert_eq!(verified(&token_of(Algorithm::Es256, header, "{}")).map(|_| ()), Err(reason), "{header}");
    }
}

#[test]
fn tokens_that_are_none_are_refused() {
    let good = token(Algorithm::Es256, &json!({"sub": "a"}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    for bad in [
        String::new(),
        "..".to_owned(),
        signed.to_owned(),
        format!("{signed}."),
        format!("{good}.x"),
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{signed}.{}", signature.replace(['-', '_', 'A', 'B'], "+")),
        token_of(Algorithm::Es256, r#"{"alg":"ES256"}"#, r#"{"sub":"a","sub":"b"}"#),
        token_of(Algorithm::Es256, r#"{"alg":"ES256"}"#, "[]"),
        token_of(Algorithm::Es256, r#"{"alg":"ES256"}"#, &"[".repeat(64)),
    ] {
        assert!(matches!(verified(&bad).map(|_| ()), Err(Refused::Malformed | Refused::Signature)), "{bad}");
    }
    assert_eq!(verified(&token(Algorithm::Es256, &json!({"x": "a".repeat(MAX_LENGTH)}))).map(|_| ()), Err(Refused::TooLong));
    // A signature that is no secret of anybody: all zeros, and one of DER.
    for forged in [encoded([0; 64]), encoded([48, 6, 2, 1, 1, 2, 1, 1]), encoded([0xff; 64])] {
        assert_eq!(verified(&format!("{signed}.{forged}")).map(|_| ()), Err(Refused::Signature), "{forged}");
    }
}

#[test]
fn times_and_claims_are_believed_within_their_bounds_only() {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let (seconds, leeway) = (1_800_000_000_i64, LEEWAY.as_secs() as i64);
    for (claims, told) in [
        (json!({"exp": seconds + 1}), Ok(())),
        (json!({"exp": seconds - leeway + 1, "nbf": seconds + leeway, "iat": seconds + leeway}), Ok(())),
        (json!({"exp": seconds as f64 + 0.5}), Ok(())),
        (json!({"exp": seconds - leeway}), Err(Refused::Over)),
        (json!({"exp": 0}), Err(Refused::Over)),
        (json!({"exp": seconds + 60, "nbf": seconds + leeway + 1}), Err(Refused::Early)),
        (json!({"exp": seconds + 60, "iat": seconds + leeway + 1}), Err(Refused::Early)),
        (json!({}), Err(Refused::Claim("exp"))),
        (json!({"exp": null}), Err(Refused::Claim("exp"))),
        (json!({"exp": "1900000000"}), Err(Refused::Claim("exp"))),
        (json!({"exp": -1}), Err(Refused::Claim("exp"))),
        (json!({"exp": 1e300}), Err(Refused::Claim("exp"))),
        (json!({"exp": u64::MAX}), Err(Refused::Claim("exp"))),
        (json!({"exp": seconds + 60, "nbf": "now"}), Err(Refused::Claim("nbf"))),
    ] {
        let held = verified(&token(Algorithm::Es256, &claims)).unwrap();
        assert_eq!(held.in_time(now).map(|_| ()), told, "{claims}");
    }
    for (claims, audience, application) in [
        (json!({"aud": "a", "appid": "x"}), Ok("a"), Ok(Some("x"))),
        (json!({"aud": ["a"], "azp": "x"}), Ok("a"), Ok(Some("x"))),
        (json!({"aud": ["a", "b"], "azp": "x", "appid": "x"}), Err(Refused::Audience), Ok(Some("x"))),
        (json!({"aud": [], "azp": "x", "appid": "y"}), Err(Refused::Claim("aud")), Err(Refused::Claim("azp"))),
        (json!({"aud": 1, "azp": 1}), Err(Refused::Claim("aud")), Err(Refused::Claim("azp"))),
        (json!({}), Err(Refused::Claim("aud")), Ok(None)),
    ] {
        let held = verified(&token(Algorithm::Es256, &claims)).unwrap();
        assert_eq!((held.audience(), held.application()), (audience, application), "{claims}");
    }
}

#[test]
fn a_set_has_public_keys_for_signatures_only() {
    let (point, rsa) = (KEYS.public_point(), KEYS.public_rsa());
    let with = |key: &Value, more: Value| {
        let mut key = key.clone();
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    };
    let set = |keys: Value| KeySet::read(&json!({"keys": keys})).and_then(|set| set.check().map(|()| set));
    for (keys, says) in [
        (json!([]), "no key"),
        (json!("x"), "no JWK set"),
        (json!([7]), "key 1 is no object"),
        (json!([with(&point, json!({"d": "x"}))]), "key \"point\" is secret"),
        (json!([with(&rsa, json!({"p": "x"}))]), "key \"rsa\" is secret"),
        (json!([{"kty": "oct", "k": "c2VjcmV0"}]), "key 1 is secret"),
        (json!([with(&point, json!({"crv": "P-384"}))]), "no key"),
        (json!([with(&point, json!({"use": "enc"}))]), "no key"),
        (json!([with(&point, json!({"alg": "ES512"}))]), "no key"),
        (json!([with(&point, json!({"key_ops": ["sign"]}))]), "no key"),
        (json!([with(&point, json!({"alg": "RS256"}))]), "is not for its algorithm"),
        (json!([with(&point, json!({"x": "AA"}))]), "cannot be read"),
        (json!([with(&point, json!({"x": encoded([1; 32])}))]), "is no key"),
        (json!([with(&point, json!({"kid": 7}))]), "has no name"),
        (json!([with(&rsa, json!({"n": encoded([0x80; 255])}))]), "cannot be read"),
        (json!([with(&rsa, json!({"n": encoded([0x7f; 256])}))]), "cannot be read"),
        (json!([with(&rsa, json!({"n": encoded([0x80; 1_025])}))]), "cannot be read"),
        (json!([with(&rsa, json!({"e": encoded([1; 9])}))]), "cannot be read"),
        (json!(vec![point.clone(); 33]), "more than 32"),
    ] {
        let told = set(keys.clone()).unwrap_err();
        assert!(told.contains(says), "{keys}: {told}");
    }
    let held = set(
        json!([{"kty": "OKP", "crv": "Ed25519", "x": "AA"}, with(&rsa, json!({"use": "enc"})), point, with(&rsa, json!({"alg": "PS256"}))]),
    );
    let held = held.unwrap();
    assert_eq!(held.names(), ["point", "rsa"]);
    let kept = Value::from(held.clone());
    assert!(kept["keys"][1].get("x5c").is_none(), "nothing but the key is kept: {kept}");
    assert_eq!(serde_json::from_value::<KeySet>(kept).unwrap(), held);
    let only = Unverified::read(&token(Algorithm::Rs256, &json!({}))).map(|token| token.verify(&held, "at+jwt").map(|_| ()));
    assert_eq!(only, Ok(Err(Refused::Algorithm)), "the key says that it is for PS256 alone");
    assert!(KEYS.set().holds(&set(json!([KEYS.public_point()])).unwrap()));
    assert!(!held.holds(&KEYS.set()));
}

/// RFC 7638 §3.1.
#[test]
fn a_key_without_a_name_is_called_by_its_thumbprint() {
    let modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let set = KeySet::read(&json!({"keys": [{"kty": "RSA", "n": modulus, "e": "AQAB"}]})).unwrap();
    assert_eq!(set.names(), ["NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"]);
}

#[test]
fn strict_json_is_read_here_too() {
    assert!(json::read(br#"{"a":1,"a":2}"#).is_err());
    assert!(json::read(b"{} x").is_err());
}

static GOOD: LazyLock<Vec<String>> = LazyLock::new(|| {
    let claims = json!({"iss": "a", "sub": "b", "aud": "c", "exp": 1_900_000_000, "jti": "d"});
    Algorithm::ALL.into_iter().map(|algorithm| token(algorithm, &claims)).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_altered_token_is_taken(which in 0_usize..3, at in any::<prop::sample::Index>(), octet in 0x20_u8..0x7f, way in 0_u8..4) {
        let good = &GOOD[which];
        let at = at.index(good.len());
        let mut altered = good.clone().into_bytes();
        match way {
            0 => altered[at] = octet,
            1 => altered.insert(at, octet),
            2 => drop(altered.remove(at)),
            _ => altered.truncate(at),
        }
        let altered = String::from_utf8(altered).unwrap();
        prop_assert_eq!(verified(&altered).is_ok(), altered == *good, "{}", altered);
    }

    #[test]
    fn claims_of_one_token_under_the_signature_of_another_are_not_taken(which in 0_usize..3, other in 0_usize..3) {
        let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
        let (left, right) = (parts(&GOOD[which]), parts(&GOOD[other]));
        let mixed = [left[0].as_str(), left[1].as_str(), right[2].as_str()].join(".");
        prop_assert_eq!(verified(&mixed).is_ok(), which == other);
    }

    #[test]
    fn nothing_that_is_read_panics(text in "[A-Za-z0-9_.-]{0,200}") {
        let _ = verified(&text).map(|claims| (claims.audience().is_ok(), claims.in_time(Timestamp::default()).is_ok()));
    }
}
