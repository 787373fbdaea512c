//! Publishing clients. Each repeats what was not answered, with the same key, when the service is back.

use std::sync::atomic::{AtomicBool, Ordering};

use campanile::api::v1;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tonic::Status;
use tonic_types::StatusExt;
use v1::audience::Target;
use v1::content::Source;

use super::campus::{self, PEOPLE, ROOMS};
use super::oracle::{Ack, Oracle};
use super::service::Client;

/// How many publish at the same time.
pub const AUTHORS: usize = 16;

/// One client with its own dice.
pub struct Author {
    name: String,
    rng: StdRng,
    written: usize,
    /// Sent, and not answered yet.
    pending: Option<(v1::PublishRequest, Vec<usize>)>,
}

impl Author {
    /// All of them, drawn from a seed.
    pub fn all(seed: u64) -> Vec<Author> {
        let one = |n: usize| Author {
            name: format!("author-{n:02}"),
            rng: StdRng::seed_from_u64(seed.wrapping_add(n as u64)),
            written: 0,
            pending: None,
        };
        (0..AUTHORS).map(one).collect()
    }

    /// Publishes one message after the other until it is told to stop or the service goes away.
    pub async fn publish(&mut self, client: &Client, oracle: &Oracle, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            if self.pending.is_none() {
                self.pending = Some(self.write());
            }
            if !self.finish(client, oracle).await {
                return;
            }
        }
    }

    /// Publishes what was not answered; false if the service went away again.
    pub async fn finish(&mut self, client: &Client, oracle: &Oracle) -> bool {
        match self.attempt(client, oracle).await {
            Ok(()) => true,
            Err(status) if has_gone(&status) => false,
            Err(status) => panic!("{} was refused: {status:?}", self.name),
        }
    }

    /// Writes a message unless one waits for its answer, and publishes it.
    pub async fn publish_next(&mut self, client: &Client, oracle: &Oracle) -> Result<(), Status> {
        if self.pending.is_none() {
            self.pending = Some(self.write());
        }
        self.attempt(client, oracle).await
    }

    /// Publishes what was not answered. Fails with what was said instead of an answer.
    pub async fn attempt(&mut self, client: &Client, oracle: &Oracle) -> Result<(), Status> {
        let Some((request, people)) = self.pending.clone() else { return Ok(()) };
        let key = request.idempotency_key.clone();
        let answer = client.publish().publish(request).await?.into_inner();
        assert_eq!(answer.recipient_count as usize, people.len(), "{key}");
        oracle.note(Ack { key, message_id: answer.message_id, people }).await;
        self.pending = None;
        Ok(())
    }

    /// Whether something waits for its answer.
    pub fn waits(&self) -> bool {
        self.pending.is_some()
    }

    /// Mostly to one person, sometimes to a few, sometimes to those of a room or two.
    fn write(&mut self) -> (v1::PublishRequest, Vec<usize>) {
        self.written += 1;
        let key = format!("{}-{}", self.name, self.written);
        let rng = &mut self.rng;
        let (target, mut people, class) = match rng.random_range(0..100) {
            0..80 => list(vec![rng.random_range(0..PEOPLE)], v1::MessageClass::Transactional),
            80..96 => {
                let people = (0..rng.random_range(2..=8)).map(|_| rng.random_range(0..PEOPLE)).collect();
                list(people, v1::MessageClass::Notice)
            }
            96..98 => {
                let room = rng.random_range(0..ROOMS);
                (Target::Expression(campus::tag(room)), campus::tenants(room).collect(), v1::MessageClass::Notice)
            }
            _ => {
                let (one, two) = (rng.random_range(0..ROOMS), rng.random_range(0..ROOMS));
                let expression = format!("{} OR {}", campus::tag(one), campus::tag(two));
                let people = campus::tenants(one).chain(campus::tenants(two)).collect();
                (Target::Expression(expression), people, v1::MessageClass::Notice)
            }
        };
        people.sort_unstable();
        people.dedup();
        (request(key, target, class), people)
    }
}

fn list(mut people: Vec<usize>, class: v1::MessageClass) -> (Target, Vec<usize>, v1::MessageClass) {
    people.sort_unstable();
    people.dedup();
    let user_ids = people.iter().map(|&person| campus::user_id(person)).collect();
    (Target::Users(v1::UserList { user_ids, ..Default::default() }), people, class)
}

/// A message by e-mail whose title is its key.
pub fn request(key: String, target: Target, class: v1::MessageClass) -> v1::PublishRequest {
    let inline = v1::Inline { title: key.clone(), body: "Please read.".to_owned(), ..Default::default() };
    v1::PublishRequest {
        idempotency_key: key,
        audience: Some(v1::Audience { target: Some(target) }),
        content: Some(v1::Content { source: Some(Source::Inline(inline)), ..Default::default() }),
        message_class: class.into(),
        channels: vec![v1::Channel::Email.into()],
        department_id: "campus".to_owned(),
        ..Default::default()
    }
}

/// No answer came, or that the service goes away; a refusal has another reason.
fn has_gone(status: &Status) -> bool {
    status.get_details_error_info().is_none_or(|info| info.reason == "DRAINING")
}
