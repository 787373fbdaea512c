//! What became of a delivery, why, and the evidence that came later.

use serde::{Deserialize, Serialize};

/// What became of a delivery. The number is stored; `Pending` is the absence of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Outcome {
    /// Still open. A settlement row with this outcome says that its set moved to another batch.
    Pending = 0,
    /// The provider took it, by its own business code.
    Sent = 1,
    /// It will not be delivered.
    Failed = 2,
    /// Held back on purpose: no address, opted out, not needed any more.
    Suppressed = 3,
    /// Its time ran out.
    Expired = 4,
    /// Somebody stopped it.
    Cancelled = 5,
    /// Nobody can know whether it was delivered.
    Unknown = 6,
}

impl Outcome {
    /// Every outcome, in the order of its number.
    pub const ALL: [Outcome; 7] = [
        Outcome::Pending,
        Outcome::Sent,
        Outcome::Failed,
        Outcome::Suppressed,
        Outcome::Expired,
        Outcome::Cancelled,
        Outcome::Unknown,
    ];

    /// The stored number.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The outcome with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Outcome> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    /// The lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Pending => "pending",
            Outcome::Sent => "sent",
            Outcome::Failed => "failed",
            Outcome::Suppressed => "suppressed",
            Outcome::Expired => "expired",
            Outcome::Cancelled => "cancelled",
            Outcome::Unknown => "unknown",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Why a delivery has its outcome, or why it still waits. The number is stored, the text is interface.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $name = $code,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Reason] = &[$(Reason::$name,)*];

            /// The stable text that clients see; empty for [`Reason::None`].
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// Nothing to say: it was sent.
    None = 0, "";
    /// The person has no address on this channel.
    NoAddress = 1, "NO_ADDRESS";
    /// The address cannot be one.
    AddressInvalid = 2, "ADDRESS_INVALID";
    /// The provider says that this address does not exist any more.
    AddressDead = 3, "ADDRESS_DEAD";
    /// The person muted this topic.
    OptedOut = 4, "OPTED_OUT";
    /// The person has left the institution.
    Left = 5, "LEFT";
    /// The person was erased from the directory.
    Erased = 6, "ERASED";
    /// The provider refused this recipient.
    RefusedRecipient = 7, "REFUSED_RECIPIENT";
    /// The provider refused the content.
    RefusedContent = 8, "REFUSED_CONTENT";
    /// The provider's credentials or settings are wrong.
    ProviderMisconfigured = 9, "PROVIDER_MISCONFIGURED";
    /// Every try failed.
    RetriesExhausted = 10, "RETRIES_EXHAUSTED";
    /// The content could not be put into the channel's form.
    RenderFailed = 11, "RENDER_FAILED";
    /// The connection broke before the provider's answer.
    AnswerLost = 12, "ANSWER_LOST";
    /// It waited past its expiry.
    ExpiredWaiting = 13, "EXPIRED_WAITING";
    /// A person cancelled the message.
    CancelledByPerson = 14, "CANCELLED_BY_PERSON";
    /// The grant that allowed a scheduled message was gone when it fired.
    GrantRevoked = 15, "GRANT_REVOKED";
    /// A reviewer refused the message or sent it back.
    ReviewRefused = 16, "REVIEW_REFUSED";
    /// Nobody decided on the message in time.
    ReviewLapsed = 17, "REVIEW_LAPSED";
    /// The person has not proved yet that the address is hers.
    AddressUnverified = 18, "ADDRESS_UNVERIFIED";
    /// Waiting for its first try.
    Queued = 20, "QUEUED";
    /// Waiting for another try.
    Retrying = 21, "RETRYING";
    /// Waiting for the provider's limit.
    RateWait = 22, "RATE_WAIT";
    /// Waiting for a provider that was paused.
    ProviderPaused = 23, "PROVIDER_PAUSED";
}

impl Reason {
    /// The stored number.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The reason with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Reason> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code)
    }
}

/// Evidence about a delivery that came after its outcome. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ReceiptKind {
    /// The far end took it.
    Delivered = 1,
    /// It came back.
    Bounced = 2,
    /// The person complained.
    Complained = 3,
    /// The person opened it.
    Read = 4,
    /// The person confirmed it.
    Confirmed = 5,
    /// It was withdrawn.
    Recalled = 6,
    /// The person removed it from the inbox.
    Removed = 7,
}

impl ReceiptKind {
    /// Every kind.
    pub const ALL: [ReceiptKind; 7] = [
        ReceiptKind::Delivered,
        ReceiptKind::Bounced,
        ReceiptKind::Complained,
        ReceiptKind::Read,
        ReceiptKind::Confirmed,
        ReceiptKind::Recalled,
        ReceiptKind::Removed,
    ];

    /// The stored number.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The kind with a stored number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<ReceiptKind> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// How many deliveries of a leg have each outcome. `pending` is what is left of the members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; 7]);

impl Counts {
    /// How many have this outcome.
    #[must_use]
    pub fn get(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize]
    }

    /// Adds `n` deliveries with this outcome.
    pub fn add(&mut self, outcome: Outcome, n: u64) {
        self.0[outcome as usize] += n;
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Counts) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// Those that have an outcome.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.0[1..].iter().sum()
    }

    /// These counts with `pending` set to what is missing to `members`.
    #[must_use]
    pub fn of(mut self, members: u64) -> Counts {
        self.0[0] = members.saturating_sub(self.settled());
        self
    }
}
