"""From a user that a provider puts in to that user signing in: mail, link, page, password, bind (U4, U5)."""

import email
import email.policy
import re
import shutil
import tempfile
import unittest

import ldap
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from demo import Demo, eventually

PASSWORD = "a long enough passphrase, chosen here"


class Activation(unittest.TestCase):
    def setUp(self):
        self.demo = Demo()
        self.addCleanup(self.demo.stop)

    def mails_to(self, address):
        found = []
        for path in self.demo.mail.rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                if address in str(message["to"]):
                    found.append(message)
        return found

    def link_in(self, message):
        self.assertTrue(message["from"] and message["date"] and message["message-id"], message.keys())
        text = message.get_body(("plain",)).get_content()
        return re.search(r"https?://\S+", text).group(0).rstrip(".>")

    def browser(self):
        profile = tempfile.mkdtemp(prefix="headcount-browser-")
        self.addCleanup(shutil.rmtree, profile, ignore_errors=True)
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        options.accept_insecure_certs = True
        for flag in (
            "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
            "disable-component-update", "disable-sync", "disable-dev-shm-usage", f"user-data-dir={profile}",
        ):
            options.add_argument(f"--{flag}")
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        self.addCleanup(driver.quit)
        driver.set_page_load_timeout(30)
        return driver

    def fill_in(self, driver, password, again=None):
        fields = driver.find_elements(By.CSS_SELECTOR, "input[type=password]")
        self.assertTrue(fields, driver.page_source)
        for at, field in enumerate(fields):
            field.clear()
            field.send_keys(password if at == 0 or again is None else again)
        old = driver.find_element(By.TAG_NAME, "html")
        driver.find_element(By.CSS_SELECTOR, "button[type=submit], form button:not([type]), input[type=submit]").click()
        WebDriverWait(driver, 20).until(lambda d: self.is_gone(old))
        return driver.find_element(By.TAG_NAME, "body").text

    @staticmethod
    def is_gone(element):
        try:
            element.is_enabled()
            return False
        except Exception:
            return True

    def bind(self, dn, password):
        connection = ldap.initialize(self.demo.ldap)
        try:
            connection.simple_bind_s(dn, password)
            return 0
        except ldap.LDAPError as error:
            return error.args[0]["result"]

    def entry(self, mail):
        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(*self.demo.operator)
        (found,) = connection.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, f"(mail={mail})", ["*", "+"])
        return found

    def provision(self, name):
        body = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": name,
            "name": {"givenName": name.title(), "familyName": "O'Example & <Sons>"},
            "emails": [{"value": f"{name}@example.com", "type": "work", "primary": True}],
        }
        status, _, made = self.demo.curl("POST", "/Users", body)
        self.assertEqual(status, 201, made)
        return made

    def test_a_provisioned_user_sets_a_password_in_a_browser_and_binds(self):
        self.provision("newcomer")
        dn, entry = self.entry("newcomer@example.com")
        self.assertEqual(entry["hcAccountState"], [b"not-activated"])
        self.assertEqual(self.bind(dn, PASSWORD), 49, "not activated yet")
        (message,) = eventually("the welcome mail", lambda: self.mails_to("newcomer@example.com"))
        link = self.link_in(message)
        driver = self.browser()
        driver.get(link)
        self.assertNotIn("Sons>", driver.page_source.replace("&lt;Sons&gt;", ""), "names are text on the page")
        self.fill_in(driver, "short")
        self.assertEqual(self.bind(dn, "short"), 49, "too short a password was set")
        if not driver.find_elements(By.CSS_SELECTOR, "input[type=password]"):
            driver.get(link)
        self.fill_in(driver, PASSWORD)
        self.assertEqual(self.bind(dn, PASSWORD), 0, driver.page_source)
        self.assertEqual(self.entry("newcomer@example.com")[1]["hcAccountState"], [b"active"])

        again = self.browser()
        again.get(link)
        if again.find_elements(By.CSS_SELECTOR, "input[type=password]"):
            self.fill_in(again, "somebody else's passphrase, long")
        self.assertEqual(self.bind(dn, "somebody else's passphrase, long"), 49, "a link works once (HF1)")
        self.assertEqual(self.bind(dn, PASSWORD), 0)

    def test_passwords_that_differ_are_not_taken(self):
        self.provision("unsure")
        (message,) = eventually("the welcome mail", lambda: self.mails_to("unsure@example.com"))
        driver = self.browser()
        driver.get(self.link_in(message))
        self.assertEqual(len(driver.find_elements(By.CSS_SELECTOR, "input[type=password]")), 2)
        self.fill_in(driver, PASSWORD, again=PASSWORD + "!")
        dn, entry = self.entry("unsure@example.com")
        self.assertEqual(entry["hcAccountState"], [b"not-activated"])
        self.assertEqual(self.bind(dn, PASSWORD), 49)

    def test_a_user_added_by_ldap_gets_the_mail_too_and_one_with_a_password_does_not(self):
        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(*self.demo.operator)
        parent = self.demo.users[0][0].split(",", 1)[1]
        for name, more in (("mailed", []), ("unmailed", [("userPassword", PASSWORD.encode())])):
            attributes = [
                ("objectClass", [b"inetOrgPerson", b"hcUser"]), ("uid", name.encode()), ("cn", name.encode()), ("sn", b"Example"),
                ("mail", f"{name}@example.com".encode()), ("hcUserType", b"app"), *more,
            ]
            connection.add_s(f"uid={name},{parent}", attributes)
        eventually("the welcome mail", lambda: self.mails_to("mailed@example.com"))
        self.assertEqual(self.mails_to("unmailed@example.com"), [])
        self.assertEqual(self.bind(f"uid=unmailed,{parent}", PASSWORD), 0, "active at once")

    def test_the_mail_survives_kill_9(self):
        self.provision("patient")
        self.demo.kill_and_restart()
        (message, *more) = eventually("the welcome mail", lambda: self.mails_to("patient@example.com"))
        self.assertTrue(self.link_in(message))
