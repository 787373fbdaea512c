//! A node of the cluster: what it serves, and whether it may own work.

use serde::Deserialize;

/// How many nodes can be told apart by their ids at a time.
pub const NODES_MAX: i64 = 1_024;

/// The number that a node puts into the ids it makes; the store gives no epoch whose number a living node has.
#[must_use]
pub fn number(epoch: i64) -> u16 {
    u16::try_from(epoch.rem_euclid(NODES_MAX)).unwrap_or_default()
}

/// Something that a node may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Serves applications and people.
    Api,
    /// Claims batches and calls providers.
    Deliver,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 2] = [Role::Api, Role::Deliver];

    /// The lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Api => "api",
            Role::Deliver => "deliver",
        }
    }
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// [`Role::Api`]
    pub api: bool,
    /// [`Role::Deliver`]
    pub deliver: bool,
}

impl Roles {
    /// A node that does everything.
    #[must_use]
    pub fn all() -> Roles {
        Roles { api: true, deliver: true }
    }

    /// Whether a role is among them.
    #[must_use]
    pub fn has(self, role: Role) -> bool {
        match role {
            Role::Api => self.api,
            Role::Deliver => self.deliver,
        }
    }

    /// The names as they are stored, in the order of [`Role::ALL`].
    #[must_use]
    pub fn text(self) -> String {
        let held: Vec<&str> = Role::ALL.into_iter().filter(|role| self.has(*role)).map(Role::name).collect();
        held.join(",")
    }

    /// The roles in a text of [`Roles::text`]; what it does not know is left out.
    #[must_use]
    pub fn from_text(text: &str) -> Roles {
        Role::ALL.into_iter().filter(|role| text.split(',').any(|name| name == role.name())).collect()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Roles {
        let none = Roles { api: false, deliver: false };
        roles.into_iter().fold(none, |held, role| match role {
            Role::Api => Roles { api: true, ..held },
            Role::Deliver => Roles { deliver: true, ..held },
        })
    }
}

/// Whether a node may own work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum NodeState {
    /// It may, as long as its lease lasts.
    Alive = 1,
    /// It said that it goes.
    Left = 2,
    /// Its lease ran out and another node took over.
    Dead = 3,
}

impl NodeState {
    /// The state with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<NodeState> {
        [NodeState::Alive, NodeState::Left, NodeState::Dead].into_iter().find(|state| *state as i64 == code)
    }

    /// The lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            NodeState::Alive => "alive",
            NodeState::Left => "left",
            NodeState::Dead => "dead",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_read_back_as_they_were_written() {
        for roles in [Roles::all(), Roles { api: false, deliver: true }, Roles { api: true, deliver: false }] {
            assert_eq!(Roles::from_text(&roles.text()), roles);
        }
        assert_eq!(Roles::all().text(), "api,deliver");
        assert_eq!(Roles::from_text("api,brew"), [Role::Api].into_iter().collect());
    }

    #[test]
    fn a_number_fits_an_id() {
        assert_eq!([number(1), number(1_023), number(1_024), number(1_025)], [1, 1_023, 0, 1]);
    }
}
