//! A forgotten password, over HTTP and by mail (hardening HB8).

use crate::house::{ACME, House, user};
use crate::monitor::http;
use crate::schema::modify;
use crate::server::{PASSWORD, free_port};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const NEW: &str = "seven purple otters juggle kettles";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A house with pages, whose mails are dropped into a folder.
struct Scene {
    house: House,
    port: u16,
    folder: tempfile::TempDir,
}

impl Scene {
    fn start() -> Self {
        Self::with("")
    }

    fn with(more: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let config = format!(
            "[[listener]]\nkind = \"http\"\naddress = \"127.0.0.1:{port}\"\n\
             [activation]\npublic_url = \"https://id.example.com\"\n\
             [mail]\nfrom = \"Directory <directory@example.com>\"\ndrop_folder = {:?}\n{more}",
            folder.path()
        );
        Self { house: House::start(&config), port, folder }
    }

    /// The mails there are, the oldest first.
    fn mails(&self) -> Vec<String> {
        let mut found: Vec<PathBuf> = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        found.retain(|path| path.is_file() && !path.file_name().unwrap().to_string_lossy().starts_with('.'));
        found.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
        found.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    fn mails_until(&self, count: usize) -> Vec<String> {
        let begun = Instant::now();
        while self.mails().len() < count {
            assert!(begun.elapsed() < Duration::from_secs(20), "{} mails of {count}\n{}", self.mails().len(), self.house.server.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        self.mails()
    }

    /// Asks for a link as this form, and answers the status.
    fn ask(&self, form: &str) -> (u16, String) {
        http(self.port, "POST", "/forgot", FORM, form)
    }

    /// Sends the form behind a link.
    fn set(&self, path: &str, password: &str) -> u16 {
        let password = password.replace(' ', "+");
        http(self.port, "POST", path, FORM, &format!("password={password}&again={password}")).0
    }

    fn bind(&self, password: &str) -> u32 {
        self.house.server.connect().bind(&user("ann", ACME), password).code()
    }
}

/// The path of the link in a mail.
fn link(mail: &str) -> String {
    let joined = mail.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    let begin = joined.find("https://id.example.com/activate/").unwrap_or_else(|| panic!("no link in:\n{mail}"));
    let rest = &joined[begin + "https://id.example.com".len()..];
    rest.split(|character: char| character.is_whitespace() || "\"<>".contains(character)).next().unwrap().to_owned()
}

#[test]
fn hb8_a_link_goes_to_the_one_stored_address_whatever_is_asked_for() {
    let scene = Scene::start();
    let (status, page) = scene.ask("email=ann%40example.com");
    assert_eq!(status, 200);
    let mails = scene.mails_until(1);
    let recipients: Vec<&str> =
        mails[0].lines().filter(|line| ["to:", "cc:", "bcc:"].iter().any(|name| line.to_ascii_lowercase().starts_with(name))).collect();
    assert!(recipients.len() == 1 && recipients[0].contains("ann@example.com") && !recipients[0].contains(','), "{recipients:?}");
    let body = |page: &str| page.split_once("\r\n\r\n").unwrap().1.to_owned();
    for form in [
        "email=bob%40example.com%2Cevil%40evil.example",
        "email=bob%40example.com%0D%0ABcc%3A+evil%40evil.example",
        "email=bob%40example.com%00evil%40evil.example",
        "email=%5B%22bob%40example.com%22%2C%22evil%40evil.example%22%5D",
        "email=*%40example.com",
    ] {
        let (status, other) = scene.ask(form);
        assert_eq!((status, body(&other)), (200, body(&page)), "{form}: answered like any other, and nobody is written to");
    }
    for form in ["email=bob%40example.com&email=evil%40evil.example", "email%5B%5D=bob%40example.com", "email%5B0%5D=bob%40example.com", ""]
    {
        assert!((400..500).contains(&scene.ask(form).0), "{form}: one field, of one text");
    }
    let array = http(
        scene.port,
        "POST",
        "/forgot",
        "Content-Type: application/json\r\n",
        "{\"email\":[\"bob@example.com\",\"evil@evil.example\"]}",
    );
    assert!((400..500).contains(&array.0), "{}", array.1);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(scene.mails().len(), 1, "{:?}", scene.mails());
}

#[test]
fn hb8_no_step_is_left_out_and_none_is_gone_twice() {
    let scene = Scene::start();
    for path in ["/activate/", "/activate/x", "/activate/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "/forgot/../activate/x", "/activate"]
    {
        assert!((400..500).contains(&scene.set(path, NEW)), "{path}: there is no link yet");
    }
    assert_eq!(scene.ask("email=ann%40example.com").0, 200);
    let first = link(&scene.mails_until(1)[0]);
    assert_eq!(scene.ask("email=ann%40example.com").0, 200);
    let second = link(&scene.mails_until(2)[1]);
    assert_ne!(first, second);
    assert_eq!((scene.bind(PASSWORD), scene.bind(NEW)), (0, 49), "asking changes nothing");
    assert_eq!(scene.set(&first, NEW), 404, "the newest link is the only one");
    assert_eq!(scene.set(&second, "short"), 422);
    assert_eq!(http(scene.port, "GET", &second, "", "").0, 200);
    assert_eq!((scene.bind(PASSWORD), scene.bind(NEW)), (0, 49), "looking changes nothing");
    assert_eq!(scene.set(&second, NEW), 200);
    assert_eq!((scene.bind(PASSWORD), scene.bind(NEW)), (49, 0));
    assert_eq!(scene.set(&second, "another seven purple otters"), 404, "it is used up");
    assert_eq!(scene.bind(NEW), 0);
}

#[test]
fn hb8_a_link_dies_with_the_address_it_went_to_and_with_the_account() {
    let scene = Scene::start();
    let mut wire = scene.house.server.as_operator();
    assert_eq!(scene.ask("email=ann%40example.com").0, 200);
    let before = link(&scene.mails_until(1)[0]);
    wire.replace(&user("ann", ACME), "mail", &["ann@elsewhere.example"]);
    assert_eq!(scene.set(&before, NEW), 404, "the address was changed");
    let after = link(&scene.mails_until(2)[1]);
    wire.replace(&user("ann", ACME), "hcActive", &["FALSE"]);
    assert_eq!(scene.set(&after, NEW), 404, "the account was disabled");
    wire.replace(&user("ann", ACME), "hcActive", &["TRUE"]);
    assert_eq!(scene.bind(NEW), 49);
}

#[test]
fn u5_application_passwords_go_with_the_address_and_open_nothing_for_its_new_owner() {
    let scene = Scene::with("[[application]]\nname = \"till\"\nnetwork = \"127.0.0.0/8\"\n");
    let mut wire = scene.house.server.as_operator();
    let (first, second) = ("1".repeat(40), "2".repeat(40));
    wire.replace(&user("ann", ACME), "hcApplicationPassword", &[&format!("till${first}")]);
    assert_eq!(scene.bind(&first), 0);
    wire.replace(&user("ann", ACME), "mail", &["ann@elsewhere.example"]);
    assert_eq!((scene.bind(PASSWORD), scene.bind(&first)), (49, 49));
    assert_eq!(scene.set(&link(&scene.mails_until(1)[0]), NEW), 200);
    assert_eq!((scene.bind(NEW), scene.bind(&first)), (0, 49));
    // They go too where a new password comes with the new address.
    let value = format!("till${second}");
    let changes: [(i64, &str, &[&str]); 2] = [(2, "mail", &["ann@third.example"]), (2, "userPassword", &["another seven purple otters"])];
    wire.replace(&user("ann", ACME), "hcApplicationPassword", &[&value]);
    assert_eq!(wire.ask(&modify(&user("ann", ACME), &changes), &[]).code(), 0);
    assert_eq!((scene.bind("another seven purple otters"), scene.bind(&second)), (0, 49));
}
