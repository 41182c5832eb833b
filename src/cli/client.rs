//! What may stand on the command line about provisioning clients and their tokens, and the commands that it becomes.

use super::arguments::{OrganisationFilter, period};
use crate::base::json;
use crate::base::jwk::KeySet;
use crate::daemon::config::units::Period;
use crate::daemon::control::{Bearer, Command, NewToken, WhichClient, Within};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// What to do with clients.
#[derive(Debug, Subcommand)]
pub(super) enum ClientAction {
    /// Make a client, for an identity provider to be let in by tokens of.
    Add {
        /// The organisation's DN.
        #[arg(long, value_name = "DN")]
        organisation: String,
        /// Its name; one of a kind in the organisation.
        name: String,
        /// The id of a client that there was in another data folder: what it had made there and was imported here is its own,
        /// with its externalIds.
        #[arg(long)]
        id: Option<String>,
        /// How it is dealt with.
        #[command(flatten)]
        options: Box<ClientOptions>,
    },
    /// Change how a client is dealt with, from its next request on.
    Change {
        /// Which one.
        #[command(flatten)]
        which: ClientName,
        /// How it is dealt with.
        #[command(flatten)]
        options: Box<ClientOptions>,
    },
    /// Say what a request of a client would come to: what it would be answered and what would change. Nothing does.
    Explain {
        /// Which one.
        #[command(flatten)]
        which: ClientName,
        /// GET, POST, PUT, PATCH or DELETE.
        #[arg(long)]
        method: String,
        /// The path under the base, with its query: /Users/ID.
        #[arg(long)]
        path: String,
        /// The file with what it sends; `-` for standard input.
        file: Option<PathBuf>,
    },
    /// Give users and groups to a client that changes only what it made or was given.
    Give {
        /// The client's name, or its id.
        name: String,
        /// The DNs.
        #[arg(required = true, value_name = "DN")]
        entries: Vec<String>,
        /// The organisation's DN, where several have a client of that name.
        #[arg(long, value_name = "DN")]
        organisation: Option<String>,
    },
    /// List clients.
    List(OrganisationFilter),
    /// Show what a client asked lately, what it was answered and why, and what of it was ignored.
    Log {
        /// Which one.
        #[command(flatten)]
        which: ClientName,
        /// Go on with what it asks from now on.
        #[arg(long)]
        follow: bool,
    },
    /// List references of a client to managers and members who are not there yet.
    Pending(ClientName),
    /// Remove a client; all its tokens are revoked at once.
    Remove {
        /// Which one.
        #[command(flatten)]
        which: ClientName,
        /// What becomes of the users and groups it made or was given: keep them as they are, convert them to the organisation's own,
        /// or remove them as its DELETE would.
        #[arg(long, default_value = "keep", value_parser = ["keep", "convert", "remove"])]
        provisioned: String,
        /// How many users, staff records and groups that must be, or else nothing is done.
        #[arg(long, value_name = "NUMBER", required_if_eq("provisioned", "remove"))]
        expect: Option<usize>,
    },
    /// Let a client go on that was paused at its ceiling of deactivations.
    Resume(ClientName),
    /// Make a secret by which a client is given access tokens (OAuth 2.0 client credentials); it is shown this once.
    Secret {
        /// Which one.
        #[command(flatten)]
        which: ClientName,
        /// How long it is good: `90d`; for ever where absent.
        #[arg(long, value_parser = period)]
        lifetime: Option<Period>,
    },
    /// Show a client with everything that says how it is dealt with.
    Show(ClientName),
}

impl ClientAction {
    /// The file that goes with the command.
    pub(super) fn input(&self) -> Option<PathBuf> {
        match self {
            Self::Explain { file, .. } => file.clone(),
            _ => None,
        }
    }
}

/// One client.
#[derive(Debug, Args)]
pub(super) struct ClientName {
    /// The client's name, or its id.
    name: String,
    /// The organisation's DN, where several have a client of that name.
    #[arg(long, value_name = "DN")]
    organisation: Option<String>,
}

impl From<ClientName> for WhichClient {
    fn from(ClientName { name, organisation }: ClientName) -> Self {
        Self { name, organisation }
    }
}

const SWITCH: [&str; 2] = ["on", "off"];

/// How a client is dealt with.
#[derive(Debug, Default, Args)]
pub(super) struct ClientOptions {
    /// How its requests are read where providers and the RFCs disagree (docs/scim.md has the table). A new client: rfc.
    #[arg(long, value_parser = PROFILES)]
    profile: Option<String>,
    /// All that it may do, of read, users, groups, roles, passwords, sessions and content. A new client: all but roles and content.
    #[arg(long, value_name = "SCOPE,...", value_delimiter = ',', value_parser = ["read", "users", "groups", "roles", "passwords", "sessions", "content"])]
    scope: Vec<String>,
    /// What its DELETE does to a user: put it away to be brought back, delete it for good, or disable it. A new client: keep.
    #[arg(long, value_parser = ["keep", "delete", "deactivate"])]
    deletion: Option<String>,
    /// Whether a POST brings back the user with that externalId which it deleted or disabled. A new client: off.
    #[arg(long, value_parser = SWITCH)]
    restore_on_create: Option<String>,
    /// Whom it may change: the users and groups it made or was given, or all of the organisation. A new client: own.
    #[arg(long, value_parser = ["own", "organisation"])]
    reach: Option<String>,
    /// What becomes of credentials where it changes an address: they stay and both addresses are told, or they end and the
    /// new address is sent a link. A new client: keep.
    #[arg(long, value_parser = ["keep", "renew"])]
    address_change: Option<String>,
    /// Whether users it makes are sent a welcome mail. A new client: on.
    #[arg(long, value_parser = SWITCH)]
    welcome_mail: Option<String>,
    /// Users it may disable or delete within the window before it is paused; `none` for as many as it likes. A new client: none.
    #[arg(long, value_name = "NUMBER", value_parser = ceiling)]
    deactivation_ceiling: Option<Ceiling>,
    /// The window of the ceiling: `1h`, from a minute to 31 days. A new client: 1h.
    #[arg(long, value_parser = period)]
    window: Option<Period>,
    /// Requests a second that it may make in the long run, from 25 to 10000. A new client: 50.
    #[arg(long, value_name = "REQUESTS", value_parser = clap::value_parser!(u32).range(25..=10_000))]
    rate: Option<u32>,
    /// Everything is checked and answered as if it were done, and nothing is. A new client: off.
    #[arg(long, value_parser = SWITCH)]
    dry_run: Option<String>,
    /// Whether /ServiceProviderConfig tells of roles and entitlements, which some clients cannot read. A new client: off.
    #[arg(long, value_parser = SWITCH)]
    tells_roles: Option<String>,
    /// The public keys that it signs with, as a JWK set (RFC 7517), to be given access tokens for what it signs (RFC 7523); with an
    /// issuer, the keys of that one. `none` for no keys. A new client: none.
    #[arg(long, value_name = "FILE", value_parser = keys)]
    keys: Option<Keys>,
    /// Who signs the bearer tokens it comes with, as their `iss` has it, such as an identity provider; `none` for nobody. A new client: none.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Whom those tokens are for, as their `aud` has it; `none` with no issuer. A new client: none.
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// The application those tokens were given to, as their `appid` or `azp` has it; `none` for any. A new client: none.
    #[arg(long, value_name = "ID")]
    application: Option<String>,
}

/// The profiles there are.
const PROFILES: [&str; 4] = ["rfc", "strict", "entra", "okta"];

/// A ceiling, or that there is none.
#[derive(Clone, Copy, Debug)]
struct Ceiling(Option<u32>);

fn ceiling(text: &str) -> Result<Ceiling, String> {
    let number = if text == "none" { Ok(None) } else { text.parse().map(Some) };
    number.map(Ceiling).map_err(|_| "not a number, nor `none`".to_owned())
}

/// Keys as the directory keeps them, or that there are none.
#[derive(Clone, Debug)]
struct Keys(Option<KeySet>);

fn keys(file: &str) -> Result<Keys, String> {
    if file == "none" {
        return Ok(Keys(None));
    }
    let octets = std::fs::read(file).map_err(|error| error.to_string())?;
    let set = json::read(&octets).map_err(|error| error.to_string())?;
    KeySet::read(&set).map(|keys| Keys(Some(keys)))
}

impl ClientOptions {
    /// The settings that are named, as the directory names them.
    fn change(self) -> Map<String, Value> {
        let word = |held: Option<String>| held.map(Value::from);
        let name = |held: Option<String>| held.map(|held| if held == "none" { Value::Null } else { held.into() });
        let switch = |held: Option<String>| held.map(|held| json!(held == "on"));
        let named = [
            ("profile", word(self.profile)),
            ("scopes", (!self.scope.is_empty()).then(|| json!(self.scope))),
            ("deletion", word(self.deletion)),
            ("restore_on_create", switch(self.restore_on_create)),
            ("reach", word(self.reach)),
            ("address_change", word(self.address_change)),
            ("welcome_mail", switch(self.welcome_mail)),
            ("deactivation_ceiling", self.deactivation_ceiling.map(|ceiling| json!(ceiling.0))),
            ("window", self.window.map(|window| json!(window.0.as_secs()))),
            ("rate", self.rate.map(|rate| json!(rate))),
            ("dry_run", switch(self.dry_run)),
            ("tells_roles", switch(self.tells_roles)),
            ("keys", self.keys.map(|keys| keys.0.map_or(Value::Null, Value::from))),
            ("issuer", name(self.issuer)),
            ("audience", name(self.audience)),
            ("application", name(self.application)),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// The command about clients.
pub(super) fn client(action: ClientAction) -> Result<Command, String> {
    Ok(match action {
        ClientAction::Add { organisation, name, id, options } => Command::ClientAdd { organisation, name, id, settings: options.change() },
        ClientAction::Change { which, options } => {
            let settings = options.change();
            if settings.is_empty() {
                return Err(format!("nothing to change about {}: name at least one option", which.name));
            }
            Command::ClientChange { client: which.into(), settings }
        }
        ClientAction::Explain { which, method, path, .. } => Command::ClientExplain { client: which.into(), method, path },
        ClientAction::Give { name, entries, organisation } => Command::ClientGive { client: WhichClient { name, organisation }, entries },
        ClientAction::Resume(which) => Command::ClientResume(which.into()),
        ClientAction::List(filter) => Command::Clients(Within { organisation: filter.organisation }),
        ClientAction::Log { which, follow } => Command::ClientLog { client: which.into(), follow },
        ClientAction::Pending(which) => Command::ClientPending(which.into()),
        ClientAction::Remove { which, provisioned, expect } => {
            let provisioned = serde_json::from_value(provisioned.into()).map_err(|error| error.to_string())?;
            Command::ClientRemove { client: which.into(), provisioned, expect }
        }
        ClientAction::Secret { which, lifetime } => {
            Command::ClientSecret { client: which.into(), lifetime: lifetime.map(|lifetime| lifetime.0.as_secs()) }
        }
        ClientAction::Show(which) => Command::ClientShow(which.into()),
    })
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(super) enum TokenAction {
    /// List tokens; the tokens themselves are not kept and cannot be shown.
    List,
    /// Make a token; it is shown this once.
    Mint {
        /// The organisation's DN, for a token of one of its clients.
        #[arg(long, value_name = "DN", required_unless_present = "user")]
        organisation: Option<String>,
        /// The user's DN, for a personal token: who has it acts as the user, without a seat.
        #[arg(long, value_name = "DN", conflicts_with_all = ["organisation", "profile"])]
        user: Option<String>,
        /// The name of the client; it is made where there is none. A client can have any number of tokens. Of a personal token:
        /// what it is for.
        name: String,
        /// The profile of a client that is made with it.
        #[arg(long, value_parser = PROFILES)]
        profile: Option<String>,
        /// How long it is good: `90d`; for ever where absent.
        #[arg(long, value_parser = period)]
        lifetime: Option<Period>,
    },
    /// Revoke a token at once.
    Revoke {
        /// Its id.
        id: String,
    },
}

/// The command about tokens.
pub(super) fn token(action: TokenAction) -> Command {
    match action {
        TokenAction::List => Command::Tokens,
        TokenAction::Mint { organisation, user, name, profile, lifetime } => {
            let bearer = match user {
                Some(user) => Bearer::User(user),
                None => Bearer::Client { organisation: organisation.unwrap_or_default(), profile },
            };
            Command::TokenMint(NewToken { bearer, name, lifetime: lifetime.map(|lifetime| lifetime.0.as_secs()) })
        }
        TokenAction::Revoke { id } => Command::TokenRevoke { id },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::client::ClientSettings;
    use clap::{FromArgMatches, Parser};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: ClientOptions,
    }

    #[test]
    fn every_option_is_a_setting_and_every_word_it_takes_a_value_of_it() {
        let settings = serde_json::to_value(ClientSettings::default()).unwrap();
        let mut options = ClientOptions::augment_args(clap::Command::new("x"));
        options.build();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let key = json!({"kty": "EC", "crv": "P-256", "x": "A".repeat(43), "y": "A".repeat(43)});
        std::fs::write(&file, json!({"keys": [key]}).to_string()).unwrap();
        let mut seen = 0;
        for option in options.get_arguments().filter(|option| option.get_id() != "help") {
            let name = option.get_long().unwrap();
            let words: Vec<String> = option.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
            let words = match (name, words.is_empty()) {
                ("deactivation-ceiling", _) => vec!["7".to_owned(), "none".to_owned()],
                ("window", _) => vec!["2h".to_owned()],
                ("keys", _) => vec![file.to_str().unwrap().to_owned(), "none".to_owned()],
                ("issuer" | "audience" | "application", _) => vec!["https://example.com/".to_owned(), "none".to_owned()],
                (_, true) => vec!["60".to_owned()],
                (_, false) => words,
            };
            for word in words {
                let line = Line::try_parse_from(["x", &format!("--{name}"), &word]).unwrap();
                let change = line.options.change();
                assert_eq!(change.len(), 1, "{name}");
                let mut changed = settings.as_object().unwrap().clone();
                changed.extend(change);
                assert!(serde_json::from_value::<ClientSettings>(changed.into()).is_ok(), "{name} {word}");
            }
            seen += 1;
        }
        assert_eq!(seen, settings.as_object().unwrap().len(), "a setting has no option");
        assert!(ClientOptions::from_arg_matches(&options.get_matches_from(["x"])).unwrap().change().is_empty());
    }
}
