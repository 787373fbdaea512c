//! The connected application systems, by id.

use std::sync::Arc;

use super::table::Table;
use crate::domain::access::Application;
use crate::domain::id::ApplicationId;
use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::Refusal;

/// All applications.
#[derive(Debug)]
pub struct Applications {
    table: Table<ApplicationId, Arc<Application>>,
}

impl Applications {
    /// These applications.
    #[must_use]
    pub fn new(applications: Vec<Application>) -> Applications {
        Applications { table: Table::new(rows(applications)) }
    }

    /// Enters an application, new or changed. An older version never takes the place of a newer one.
    pub fn put(&self, application: Application) {
        let application = Arc::new(application);
        let newer = |known: &Arc<Application>| known.version <= application.version;
        self.table.change(&application.id, |old| old.is_none_or(newer).then(|| Arc::clone(&application)));
    }

    /// The application with an id.
    #[must_use]
    pub fn get(&self, id: ApplicationId) -> Option<Arc<Application>> {
        self.table.get(&id)
    }

    /// One page of the applications that are wanted, ascending by id.
    ///
    /// # Errors
    /// `PAGE_TOKEN_INVALID`.
    pub fn list(
        &self,
        wanted: impl Fn(&Application) -> bool,
        page: &PageRequest,
    ) -> Result<Page<Arc<Application>>, Refusal> {
        let (rows, after) = (self.table.all(), page.after::<ApplicationId>()?);
        let rest = rows.values().filter(|one| after.is_none_or(|last| one.id > last));
        let mut found: Vec<&Arc<Application>> = rest.filter(|one| wanted(one)).collect();
        found.sort_unstable_by_key(|one| one.id);
        Ok(Page::first(found, page.limit(), |one| one.id.to_string()).map(Arc::clone))
    }
}

fn rows(applications: Vec<Application>) -> impl Iterator<Item = (ApplicationId, Arc<Application>)> {
    applications.into_iter().map(|one| (one.id, Arc::new(one)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(id: i64, title: &str) -> Application {
        Application {
            id: ApplicationId(id),
            department_id: 1,
            title: title.to_owned(),
            weight: 1,
            inbox_gateway: false,
            default_channels: Vec::new(),
            default_topic: None,
            contact: String::new(),
            version: 1,
        }
    }

    #[test]
    fn a_changed_application_takes_the_place_of_the_old_one() {
        let applications = Applications::new(vec![application(2, "b"), application(1, "a")]);
        applications.put(application(1, "library"));
        let all = applications.list(|_| true, &PageRequest::default()).unwrap();
        let titles: Vec<_> = all.items.iter().map(|one| one.title.clone()).collect();
        assert_eq!(titles, ["library", "b"]);
        assert_eq!(applications.get(ApplicationId(3)), None);
    }
}
