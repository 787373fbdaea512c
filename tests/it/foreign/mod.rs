//! The examples of `examples`, run as their readers would run them: against a node with
//! stand-ins for its providers, with the stock tools of their languages.

mod first_publish;
mod interpreter;

use campanile::api::v1;
use campanile::standin::{smtp, wecom};

use crate::channel::{self, Running};
use crate::support::app::{Campus, TestApp};

/// The person whom the examples write to: a mailbox, a WeCom id and the app.
pub const PERSON: &str = "3121151001";
/// Her mailbox.
pub const MAILBOX: &str = "wangfang@stu.example.edu";
/// Her id at WeCom.
pub const WECOM_ID: &str = "wangfang";

/// A node with a relay and a WeCom application, a person, and an application that may write to her.
pub struct House {
    /// The node.
    pub app: TestApp,
    /// The application and its keys.
    pub campus: Campus,
    /// The relay's receipts.
    pub mails: Running,
    /// WeCom's receipts.
    pub wecom: Running,
}

impl House {
    /// Starts everything and enters the person.
    pub async fn start() -> House {
        let mails = channel::smtp(smtp::Options::default()).await;
        let wecom = channel::wecom(wecom::Options::default()).await;
        let app = TestApp::with(|settings| {
            settings.channel.email.insert("relay".to_owned(), channel::relay(mails.port));
            settings.channel.wechat.insert("wecom".to_owned(), channel::application(wecom.port));
        })
        .await;
        let campus = app.campus().await;
        let rows = tokio_stream::iter([v1::UpsertUsersRequest { user: Some(person()) }]);
        let written = app.directory(&app.admin).upsert_users(rows).await.unwrap().into_inner();
        assert_eq!((written.created, written.error_count), (1, 0), "{:?}", written.errors);
        House { app, campus, mails, wecom }
    }

    /// The node's address as clients write it.
    pub fn url(&self) -> String {
        format!("http://{}", self.app.app().grpc())
    }

    /// The address of its HTTP.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.app.app().http())
    }
}

fn person() -> v1::User {
    let address = |channel: v1::Channel, value: &str| v1::Address {
        channel: channel.into(),
        value: value.to_owned(),
        ..Default::default()
    };
    let addresses = vec![
        address(v1::Channel::Email, MAILBOX),
        address(v1::Channel::Wechat, WECOM_ID),
        address(v1::Channel::App, PERSON),
    ];
    let department = "cs".to_owned();
    v1::User {
        user_id: PERSON.to_owned(),
        name: "王芳".to_owned(),
        primary_department_id: department.clone(),
        department_ids: vec![department],
        addresses,
        ..Default::default()
    }
}
