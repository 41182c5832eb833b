//! Commands about licences: seats, terms and what they cost.

use super::execute::{Execution, count, under};
use super::import::replace;
use super::{ChargesQuestion, Failure, Within};
use crate::directory::charges::{Charge, ChargeQuestion};
use crate::directory::history::UseQuestion;
use crate::directory::{Scope, SearchRequest, Write};
use crate::domain::charges::{Edge, Period, money};
use crate::model::{Dn, Filter};
use serde_json::json;

/// What is shown of shares.
pub(super) const SHARE_COLUMNS: &[(&str, &str)] =
    &[("dn", ""), ("licence", "hcSharedLicence"), ("with", "hcSharedWith"), ("reserved", "hcReservedSeats"), ("most", "hcSeatLimit")];

impl Execution<'_> {
    pub(super) fn licences(&mut self, within: &Within) -> Result<String, Failure> {
        let sessions = self.directory.sessions(&self.caller);
        let entries = self.find(within, "hcLicence", &["hcSessionLimit", "hcPackage", "hcCountingMode", "hcIdleTimeout"])?;
        for entry in &entries {
            let text = |name: &str| entry.text(name).unwrap_or_default();
            let in_use = sessions.iter().filter(|session| session.licence.eq_ignore_ascii_case(&entry.dn)).count();
            self.row(json!({
                "dn": entry.dn, "in_use": in_use, "session_limit": text("hcSessionLimit"), "package": text("hcPackage"),
                "counting": text("hcCountingMode"), "idle_timeout": text("hcIdleTimeout"),
            }))?;
        }
        Ok(count(entries.len(), "licence", "licences"))
    }

    pub(super) fn set_licence(&mut self, licence: &str, changes: &[(String, Option<String>)], enforce: bool) -> Result<String, Failure> {
        let mut said = String::new();
        if !changes.is_empty() {
            said = self.modify(licence, changes.iter().map(|(name, value)| replace(name, value.as_deref())).collect())?;
        }
        if enforce {
            let ended = self.handle.block_on(self.directory.enforce_limit(&self.caller, licence))?;
            said = format!("{said}{}{} ended", if said.is_empty() { "" } else { "; " }, count(ended, "session", "sessions"));
        }
        Ok(said)
    }

    /// The structural class follows from what the organisation is named by.
    pub(super) fn add_organisation(&self, organisation: &str, description: Option<&str>) -> Result<String, Failure> {
        let dn = Dn::parse(organisation).ok().filter(|dn| dn.rdn().is_some());
        let dn = dn.ok_or_else(|| Failure::nothing(format!("{organisation} is not a DN")))?;
        let naming = dn.rdn().and_then(|rdn| rdn.0.first()).map(|ava| ava.attribute.to_ascii_lowercase()).unwrap_or_default();
        let class = match naming.as_str() {
            "ou" => "organizationalUnit",
            "dc" => "domain",
            _ => "organization",
        };
        let description: Vec<&str> = description.into_iter().collect();
        self.add(organisation, &[("objectClass", &[class, "hcOrganisation"]), ("description", &description)])
    }

    pub(super) fn add_licence(
        &self,
        organisation: &str,
        name: &str,
        session_limit: u32,
        package: Option<&str>,
        default: bool,
    ) -> Result<String, Failure> {
        let (limit, package): (_, Vec<&str>) = (session_limit.to_string(), package.into_iter().collect());
        let default: &[&str] = if default { &["TRUE"] } else { &[] };
        let attributes: [(&str, &[&str]); 5] = [
            ("objectClass", &["hcLicence"]),
            ("cn", &[name]),
            ("hcSessionLimit", &[&limit]),
            ("hcPackage", &package),
            ("hcLicenceDefault", default),
        ];
        self.add(&under("cn", name, &format!("ou=licences,{organisation}")), &attributes)
    }

    /// A share stands beside its licence.
    pub(super) fn share(
        &self,
        licence: &str,
        name: &str,
        with: Option<&str>,
        reserved: Option<u32>,
        most: Option<u32>,
    ) -> Result<String, Failure> {
        let parent =
            Dn::parse(licence).ok().and_then(|dn| dn.parent()).ok_or_else(|| Failure::nothing(format!("{licence} is not a DN")))?;
        let dn = under("cn", name, &parent.to_string());
        let Some(with) = with else {
            return self.write(Write::Delete { dn: dn.clone() }).map(|_| format!("{dn} is deleted"));
        };
        let [reserved, most] = [reserved, most].map(|seats| seats.map(|seats| seats.to_string()));
        let entry = SearchRequest::new(&dn, Scope::Base, Filter::Present("objectClass".into()), vec!["1.1"]);
        if self.directory.search(&self.caller, &entry).is_ok() {
            // What is not named stays.
            let changes = [("hcSharedWith", Some(with)), ("hcReservedSeats", reserved.as_deref()), ("hcSeatLimit", most.as_deref())];
            let named = changes.into_iter().filter(|(_, value)| value.is_some());
            return self.modify(&dn, named.map(|(name, value)| replace(name, value)).collect());
        }
        let [reserved, most]: [Vec<&str>; 2] = [&reserved, &most].map(|seats| seats.iter().map(String::as_str).collect());
        let attributes: [(&str, &[&str]); 6] = [
            ("objectClass", &["hcSeatShare"]),
            ("cn", &[name]),
            ("hcSharedLicence", &[licence]),
            ("hcSharedWith", &[with]),
            ("hcReservedSeats", &reserved),
            ("hcSeatLimit", &most),
        ];
        self.add(&dn, &attributes)
    }

    /// A row for each stretch, and one for the sum of each licence.
    pub(super) fn charges(&mut self, question: &ChargesQuestion) -> Result<String, Failure> {
        let period = period(question)?;
        let question = ChargeQuestion { organisation: question.organisation.clone(), licence: question.licence.clone(), period };
        let charges = self.directory.charges(&self.caller, &question)?;
        for charge in &charges {
            self.charge(charge)?;
        }
        Ok(count(charges.len(), "licence", "licences"))
    }

    pub(super) fn history(&mut self, question: &ChargesQuestion, by_hour: bool) -> Result<String, Failure> {
        let period = period(question)?;
        let (organisation, licence) = (question.organisation.clone(), question.licence.clone());
        let rows = self.directory.history(&self.caller, &UseQuestion { organisation, licence, period, by_hour })?;
        for row in &rows {
            self.row(json!({
                "licence": row.licence, "from": row.from, "peak": row.peak, "average": money(row.average.into()), "refusals": row.refusals,
            }))?;
        }
        Ok(count(rows.len(), if by_hour { "hour" } else { "day" }, if by_hour { "hours" } else { "days" }))
    }

    fn charge(&mut self, charge: &Charge) -> Result<(), Failure> {
        for stretch in &charge.stretches {
            self.row(json!({
                "licence": charge.licence, "from": stretch.from, "to": stretch.to, "package": stretch.package,
                "fee": money(stretch.fee_cents.into()), "limit": stretch.limit, "share": format!("{}/{}", stretch.share.0, stretch.share.1),
                "changed_by": stretch.actor, "charge": null,
            }))?;
        }
        self.row(json!({
            "licence": charge.licence, "from": charge.from, "to": charge.to, "package": null, "fee": null, "limit": null,
            "share": null, "changed_by": null, "charge": money(charge.cents),
        }))
    }
}

fn period(question: &ChargesQuestion) -> Result<Period, Failure> {
    let read = |text: &String| {
        Edge::parse(text).ok_or_else(|| Failure::nothing(format!("{text} is not a day as 2026-03-01, nor a time with offset")))
    };
    Ok(Period { from: question.from.as_ref().map(read).transpose()?, to: question.to.as_ref().map(read).transpose()? })
}
