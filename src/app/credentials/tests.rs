//! Two nodes and one provider over a real store.

use std::sync::atomic::{AtomicU64, Ordering};

use secrecy::ExposeSecret;

use super::*;
use crate::access::Seal;
use crate::runtime::clock::SystemClock;
use crate::store::Store;
use crate::store::sqlite::Sqlite;

/// A provider that ends every token when it gives out another, as the classic official account does.
#[derive(Default)]
struct Classic {
    issued: AtomicU64,
    fails: bool,
}

impl Classic {
    fn takes(&self, credential: &Credential) -> bool {
        credential.token.expose_secret() == format!("tok-hush-{}", self.issued.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Issuer for Classic {
    async fn issue(&self) -> Result<Issued, Verdict> {
        let n = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if self.fails {
            return Err(Verdict::Retry { after: None, fault: Fault::Provider, detail: "gettoken 40001".into() });
        }
        Ok(Issued { token: format!("tok-hush-{n}").into(), lifetime: Duration::from_secs(7_200) })
    }
}

struct Installation {
    _directory: tempfile::TempDir,
    store: Store,
}

impl Installation {
    fn new() -> Installation {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(directory.path()).unwrap().store();
        Installation { _directory: directory, store }
    }

    fn node(&self) -> StoredCredentials {
        self.node_for([1; 32])
    }

    fn node_for(&self, account: [u8; 32]) -> StoredCredentials {
        StoredCredentials::new(Parts {
            store: self.store.credentials.clone(),
            cipher: Arc::new(Seal::new(&[7; 32]).cipher().unwrap()),
            clock: SystemClock::shared(),
            provider: "wechat.main".into(),
            account,
            margin: Duration::from_secs(300),
        })
    }

    async fn kept(&self) -> store::Credential {
        self.store.credentials.credential("wechat.main".into()).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn nodes_that_need_a_token_at_once_fetch_one() {
    let (here, provider) = (Installation::new(), Classic::default());
    let nodes: Vec<_> = (0..4).map(|_| here.node()).collect();
    let asking = (0..40).map(|n| nodes[n % 4].get(&provider));
    let tokens = futures::future::join_all(asking).await;
    assert!(tokens.into_iter().all(|token| provider.takes(&token.unwrap())));
    assert_eq!(provider.issued.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_for_all_nodes() {
    let (here, provider) = (Installation::new(), Classic::default());
    let nodes = [here.node(), here.node(), here.node()];
    let old = futures::future::join_all(nodes.iter().map(|node| node.get(&provider))).await;
    provider.issued.fetch_add(1, Ordering::SeqCst);
    for (node, old) in nodes.iter().zip(old) {
        let old = old.unwrap();
        assert!(!provider.takes(&old), "somebody else fetched one");
        node.invalidate(&old);
        assert!(provider.takes(&node.get(&provider).await.unwrap()));
        node.invalidate(&old);
        assert!(provider.takes(&node.get(&provider).await.unwrap()), "a late refusal of an old token");
    }
    assert_eq!(provider.issued.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_token_outlives_the_node_that_fetched_it_and_is_sealed() {
    let (here, provider) = (Installation::new(), Classic::default());
    let token = here.node().get(&provider).await.unwrap();
    assert_eq!(here.node().get(&provider).await.unwrap().version, token.version);
    assert_eq!(provider.issued.load(Ordering::SeqCst), 1);
    let kept = here.kept().await;
    assert!(!kept.body.windows(4).any(|part| part == b"hush"));
    assert!(kept.lasts <= Duration::from_secs(6_900) && kept.lasts > Duration::from_secs(6_000), "{kept:?}");
}

#[tokio::test]
async fn another_account_does_not_get_the_kept_token() {
    let (here, provider) = (Installation::new(), Classic::default());
    here.node().get(&provider).await.unwrap();
    assert!(provider.takes(&here.node_for([2; 32]).get(&provider).await.unwrap()));
    assert_eq!((provider.issued.load(Ordering::SeqCst), here.kept().await.version), (2, 2));
}

#[tokio::test]
async fn a_failed_fetch_answers_for_all_who_waited_and_gives_the_turn_back() {
    let here = Installation::new();
    let (node, provider) = (here.node(), Classic { fails: true, ..Classic::default() });
    let tokens = futures::future::join_all((0..20).map(|_| node.get(&provider))).await;
    assert!(tokens.into_iter().all(|token| token.is_err()));
    assert_eq!(provider.issued.load(Ordering::SeqCst), 1);
    let mended = Classic::default();
    assert!(mended.takes(&here.node().get(&mended).await.unwrap()), "another node need not wait");
}

#[tokio::test]
async fn a_fetch_that_was_cut_off_does_not_hold_its_own_node_up() {
    let (here, provider) = (Installation::new(), Classic::default());
    let node = here.node();
    assert!(tokio::time::timeout(Duration::from_millis(1), node.get(&provider)).await.is_err());
    assert!(provider.takes(&node.get(&provider).await.unwrap()));
}
