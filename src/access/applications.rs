//! The connected application systems, by id.

use std::sync::Arc;

use super::table::Table;
use crate::domain::access::Application;
use crate::domain::id::ApplicationId;

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

    /// Puts these in the place of all others.
    pub fn replace(&self, applications: Vec<Application>) {
        self.table.replace(rows(applications));
    }

    /// Enters an application, new or changed.
    pub fn put(&self, application: Application) {
        let application = Arc::new(application);
        self.table.change(&application.id, |_| Some(Arc::clone(&application)));
    }

    /// The application with an id.
    #[must_use]
    pub fn get(&self, id: ApplicationId) -> Option<Arc<Application>> {
        self.table.get(&id)
    }

    /// Every application, ascending by id.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Application>> {
        let mut all: Vec<_> = self.table.all().values().cloned().collect();
        all.sort_unstable_by_key(|one| one.id);
        all
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
        }
    }

    #[test]
    fn a_changed_application_takes_the_place_of_the_old_one() {
        let applications = Applications::new(vec![application(2, "b"), application(1, "a")]);
        applications.put(application(1, "library"));
        let titles: Vec<_> = applications.all().iter().map(|one| one.title.clone()).collect();
        assert_eq!(titles, ["library", "b"]);
        applications.replace(Vec::new());
        assert_eq!(applications.get(ApplicationId(1)), None);
    }
}
