//! A right to send as a command line describes it, to be given or asked for.

use super::print;
use campanile::api::v1;

/// What the right covers.
#[derive(Clone, Debug, clap::Args)]
pub struct Right {
    /// Department it speaks for, with those under it; may be repeated
    #[arg(long = "department", value_name = "ID")]
    departments: Vec<String>,
    /// Whom it reaches besides the people of its departments, as an audience expression; without departments these
    /// alone
    #[arg(long, value_name = "EXPR", default_value = "", hide_default_value = true)]
    audience: String,
    /// Channel it may use; may be repeated; default: all
    #[arg(long = "channel", value_parser = print::parse_channel)]
    channels: Vec<v1::Channel>,
    /// Class it may use; may be repeated; default: notice and transactional
    #[arg(long = "class", value_parser = print::parse_class)]
    classes: Vec<v1::MessageClass>,
    /// Tag it may use, key:* for all of a key; may be repeated; default: every tag that is not sensitive
    #[arg(long = "tag")]
    tags: Vec<String>,
    /// Tag it may make and edit, key:* for all of a key; may be repeated
    #[arg(long = "edit-tag", value_name = "TAG")]
    edit_tags: Vec<String>,
    /// Deliveries per day; 0: no limit
    #[arg(long, default_value_t = 0)]
    per_day: i32,
    /// People per message; 0: no limit
    #[arg(long, default_value_t = 0)]
    per_message: i32,
    /// The holder may name a person on whose behalf it sends
    #[arg(long)]
    may_act_for: bool,
}

impl Right {
    /// The grant without its holder and its end.
    pub fn grant(self) -> v1::Grant {
        v1::Grant {
            department_ids: self.departments,
            audience: self.audience,
            channels: self.channels.into_iter().map(i32::from).collect(),
            classes: self.classes.into_iter().map(i32::from).collect(),
            tags: self.tags,
            edit_tags: self.edit_tags,
            per_day: self.per_day,
            per_message: self.per_message,
            may_act_for: self.may_act_for,
            ..Default::default()
        }
    }
}
