//! Agreement through Redis, which makes things faster and is never the truth.
//!
//! Every delivering node signs in twice a second (`standing`). Signed nodes share each limit: a script on the
//! server's clock leases credit in blocks (`stock`, `exchange.lua`), so that a call is granted without a round
//! trip. A node that loses Redis waits until nobody can count it in any more and then keeps to its own part; the
//! signed ones leave it that part, so that all together never use more than the limit. Whoever comes back, and
//! whoever finds a server without memory, begins without credit.

mod hints;
mod limits;
mod link;
mod standing;
mod stock;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::broadcast;

use self::hints::RedisHints;
use self::limits::RedisLimits;
use self::link::Link;
use self::standing::{Pulse, Standing};
use super::{Hint, Hints, Limits, Mode, Peers};
use crate::runtime::clock::SharedClock;
use crate::runtime::tasks::Tasks;

/// Hints that may wait for a slow listener.
const HEARD: usize = 8_192;

/// Why agreement through Redis cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address is none.
    #[error("[coordination] url is not the address of a Redis server; write redis://[user:password@]host[:port]")]
    Url,
}

/// What agreement through Redis needs to know.
pub struct Options {
    /// Where the server is. May hold a password.
    pub url: SecretString,
    /// What the names of all keys begin with; installations that share a server differ in it.
    pub prefix: String,
    /// Whether this node calls providers.
    pub delivers: bool,
    /// The limits: key, recipients, and in how long.
    pub rates: Vec<(String, u32, Duration)>,
    /// How many nodes share the work.
    pub peers: Peers,
}

/// A node's agreement with the others through Redis.
pub struct Redis {
    limits: Arc<RedisLimits>,
    hints: Arc<RedisHints>,
    standing: Arc<Standing>,
}

impl Redis {
    /// Begins to agree. Does not wait for the server: as long as it is away, the node is apart.
    ///
    /// # Errors
    /// If the address cannot be used.
    pub fn start(options: Options, clock: &SharedClock, tasks: &Tasks) -> Result<Redis, Error> {
        let heard: broadcast::Sender<Hint> = broadcast::channel(HEARD).0;
        let me = format!("{:016x}", rand::random::<u64>());
        let link = Link::new(&options.url, &options.prefix, &me, heard.clone())?;
        let standing = Arc::new(Standing::new(options.peers));
        let limits = RedisLimits::start(options.rates, &link, Arc::clone(&standing), clock.clone(), tasks);
        let (hints, teller) = RedisHints::new(heard);
        tasks.spawn(teller.run(link.clone(), Arc::clone(&standing), tasks.stop_token()));
        let pulse = Pulse {
            link,
            standing: Arc::clone(&standing),
            limits: Arc::clone(&limits),
            clock: clock.clone(),
            delivers: options.delivers,
        };
        pulse.start(tasks);
        Ok(Redis { limits, hints: Arc::new(hints), standing })
    }

    /// The shared limits.
    #[must_use]
    pub fn limits(&self) -> Arc<dyn Limits> {
        self.limits.clone()
    }

    /// The hints between nodes.
    #[must_use]
    pub fn hints(&self) -> Arc<dyn Hints> {
        self.hints.clone()
    }

    /// How nodes agree at the moment.
    #[must_use]
    pub fn mode(&self) -> ReadMode {
        ReadMode(Arc::clone(&self.standing))
    }
}

/// Reads how nodes agree at the moment; cheap to clone.
#[derive(Clone, Debug)]
pub struct ReadMode(Arc<Standing>);

impl ReadMode {
    /// [`Mode::Redis`] or [`Mode::Apart`].
    #[must_use]
    pub fn get(&self) -> Mode {
        self.0.mode()
    }
}
