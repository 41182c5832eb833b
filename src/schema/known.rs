//! The attributes that code speaks of by name, looked up once.

use super::SchemaError;
use crate::model::AttributeId;

macro_rules! known {
    ($($field:ident = $name:literal),* $(,)?) => {
        /// Attribute types that code speaks of by name.
        #[derive(Clone, Copy, Debug)]
        pub struct Known {
            $(#[doc = $name] pub $field: AttributeId,)*
        }

        impl Known {
            /// Looks all of them up; a schema that lacks one is refused.
            pub(super) fn of(find: &dyn Fn(&str) -> Option<AttributeId>) -> Result<Self, SchemaError> {
                Ok(Self { $($field: Self::find(find, $name)?,)* })
            }

            fn all(&self) -> impl Iterator<Item = AttributeId> {
                [$(self.$field,)*].into_iter()
            }
        }
    };
}

known! {
    administrative_role = "administrativeRole",
    aliased_object_name = "aliasedObjectName",
    auth_password = "authPassword",
    cn = "cn",
    collective_attribute_subentries = "collectiveAttributeSubentries",
    collective_exclusions = "collectiveExclusions",
    create_timestamp = "createTimestamp",
    creators_name = "creatorsName",
    display_name = "displayName",
    entry_csn = "entryCSN",
    entry_dn = "entryDN",
    entry_uuid = "entryUUID",
    given_name = "givenName",
    governing_structure_rule = "governingStructureRule",
    has_subordinates = "hasSubordinates",
    mail = "mail",
    manager = "manager",
    member = "member",
    member_of = "memberOf",
    modifiers_name = "modifiersName",
    modify_timestamp = "modifyTimestamp",
    num_subordinates = "numSubordinates",
    o = "o",
    object_class = "objectClass",
    ou = "ou",
    pwd_account_locked_time = "pwdAccountLockedTime",
    pwd_changed_time = "pwdChangedTime",
    pwd_end_time = "pwdEndTime",
    pwd_failure_time = "pwdFailureTime",
    pwd_grace_use_time = "pwdGraceUseTime",
    pwd_history = "pwdHistory",
    pwd_last_success = "pwdLastSuccess",
    pwd_policy_subentry = "pwdPolicySubentry",
    pwd_reset = "pwdReset",
    pwd_start_time = "pwdStartTime",
    sn = "sn",
    structural_object_class = "structuralObjectClass",
    subschema_subentry = "subschemaSubentry",
    subtree_specification = "subtreeSpecification",
    telephone_number = "telephoneNumber",
    uid = "uid",
    uid_number = "uidNumber",
    user_password = "userPassword",
    hc_account_state = "hcAccountState",
    hc_active = "hcActive",
    hc_allowed_address = "hcAllowedAddress",
    hc_application_password = "hcApplicationPassword",
    hc_certificate = "hcCertificate",
    hc_counting_mode = "hcCountingMode",
    hc_deleted_by = "hcDeletedBy",
    hc_effective_member = "hcEffectiveMember",
    hc_effective_role = "hcEffectiveRole",
    hc_email = "hcEmail",
    hc_end_date = "hcEndDate",
    hc_external_id = "hcExternalId",
    hc_idle_timeout = "hcIdleTimeout",
    hc_last_activity = "hcLastActivity",
    hc_licence = "hcLicence",
    hc_licence_default = "hcLicenceDefault",
    hc_maximum_age = "hcMaximumAge",
    hc_one_time_secret = "hcOneTimeSecret",
    hc_overdraft = "hcOverdraft",
    hc_per_user_limit = "hcPerUserLimit",
    hc_permission = "hcPermission",
    hc_phone_number = "hcPhoneNumber",
    hc_postal_address = "hcPostalAddress",
    hc_provisioned_by = "hcProvisionedBy",
    hc_release_mode = "hcReleaseMode",
    hc_report_only = "hcReportOnly",
    hc_role = "hcRole",
    hc_role_permission = "hcRolePermission",
    hc_author = "hcAuthor",
    hc_completed = "hcCompleted",
    hc_completion_note = "hcCompletionNote",
    hc_completion_visibility = "hcCompletionVisibility",
    hc_completion_visible_to = "hcCompletionVisibleTo",
    hc_content_type = "hcContentType",
    hc_default_visibility = "hcDefaultVisibility",
    hc_subject = "hcSubject",
    hc_visibility = "hcVisibility",
    hc_visible_to = "hcVisibleTo",
    hc_role_restriction = "hcRoleRestriction",
    hc_scram = "hcScram",
    hc_session_application = "hcSessionApplication",
    hc_session_client = "hcSessionClient",
    hc_session_expires = "hcSessionExpires",
    hc_session_id = "hcSessionId",
    hc_session_licence = "hcSessionLicence",
    hc_session_limit = "hcSessionLimit",
    hc_session_started = "hcSessionStarted",
    hc_session_user = "hcSessionUser",
    hc_sessions_in_use = "hcSessionsInUse",
    hc_staff = "hcStaff",
    hc_start_date = "hcStartDate",
    hc_user_type = "hcUserType",
    hc_when_full = "hcWhenFull",
}

impl Known {
    /// Whether code reads the type for more than what any tool may make of it, so that a subtype would be half of it.
    pub(super) fn is_special(&self, attribute: AttributeId) -> bool {
        let plain = [self.cn, self.display_name, self.given_name, self.o, self.ou, self.sn, self.telephone_number];
        !plain.contains(&attribute) && self.all().any(|known| known == attribute)
    }

    fn find(find: &dyn Fn(&str) -> Option<AttributeId>, name: &str) -> Result<AttributeId, SchemaError> {
        find(name).ok_or_else(|| SchemaError {
            file: "schema".to_owned(),
            line: 0,
            column: 0,
            message: format!("attribute type {name} is not defined, and the server needs it"),
        })
    }
}
