//! Organizations and who belongs to them.

use std::collections::BTreeMap;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::World;
use crate::clock::iso;

/// A member's role (contract, 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// May do everything.
    #[default]
    Owner,
    /// May manage applications.
    Admin,
    /// May read the list of organizations.
    ComplianceOfficer,
    /// May read the list of organizations.
    Developer,
    /// May read the list of organizations.
    Reader,
}

/// An organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Organization {
    pub(crate) uuid: Uuid,
    pub(crate) name: String,
    contact_email: String,
    created_at: Timestamp,
    sequence: u64,
    /// Roles by address.
    members: BTreeMap<String, Role>,
}

impl Organization {
    /// The element of the list (contract, 4.1).
    pub(crate) fn view(&self) -> Value {
        json!({
            "uuid": self.uuid,
            "name": self.name,
            "contact_email": self.contact_email,
            "created_at": iso(self.created_at),
        })
    }
}

/// What an account may do in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The organization does not exist, or the account is no member.
    Foreign,
    /// Member, but neither owner nor administrator.
    Member,
    /// Owner or administrator.
    Manager,
}

impl World {
    /// Creates an organization with its first member.
    pub(super) fn add_organization(&mut self, name: &str, member: &str, role: Role, now: Timestamp) -> Uuid {
        let uuid = Uuid::new_v4();
        let organization = Organization {
            uuid,
            name: name.to_owned(),
            contact_email: member.to_owned(),
            created_at: now,
            sequence: self.next_sequence(),
            members: BTreeMap::from([(member.to_owned(), role)]),
        };
        self.organizations.insert(uuid, organization);
        uuid
    }

    /// Puts a member into the oldest organization of this name, or into a new one.
    pub(super) fn join(&mut self, name: &str, member: &str, role: Role, now: Timestamp) -> Uuid {
        let oldest = self
            .organizations
            .values_mut()
            .filter(|organization| organization.name == name)
            .min_by_key(|organization| organization.sequence);
        if let Some(organization) = oldest {
            organization.members.insert(member.to_owned(), role);
            return organization.uuid;
        }
        self.add_organization(name, member, role, now)
    }

    /// The organizations of an account, oldest first.
    pub(crate) fn organizations_of(&self, member: &str) -> Vec<&Organization> {
        let mut found: Vec<_> = self
            .organizations
            .values()
            .filter(|organization| organization.members.contains_key(member))
            .collect();
        found.sort_by_key(|organization| organization.sequence);
        found
    }

    /// What an account may do in an organization, known by its id as it stands in the path.
    pub(crate) fn access(&self, member: &str, organization: &str) -> (Access, Uuid) {
        let found = Uuid::try_parse(organization)
            .ok()
            .and_then(|uuid| self.organizations.get(&uuid));
        let Some(organization) = found else {
            return (Access::Foreign, Uuid::nil());
        };
        let access = match organization.members.get(member) {
            None => Access::Foreign,
            Some(Role::Owner | Role::Admin) => Access::Manager,
            Some(_) => Access::Member,
        };
        (access, organization.uuid)
    }
}
