//! Where the guarded client goes, and where it does not: every spelling of a private address, and canaries that listen.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::task::TaskTracker;

use super::*;

const LIMITS: Limits = Limits { timeout: Duration::from_secs(1), max_bytes: 100, loopback: false };

/// A listener on an address of this machine that counts who comes, and answers.
struct Canary {
    port: u16,
    hits: Arc<AtomicUsize>,
}

impl Canary {
    async fn on(address: &str, answer: &'static str) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&hits);
        let tasks = TaskTracker::new();
        tasks.clone().spawn(async move {
            loop {
                let Ok((mut socket, _)) = listener.accept().await else { return };
                counted.fetch_add(1, Ordering::SeqCst);
                tasks.spawn(async move {
                    let mut head = [0; 2048];
                    let _read = socket.read(&mut head).await;
                    let _written = socket.write_all(answer.as_bytes()).await;
                    tokio::time::sleep(Duration::from_secs(3)).await;
                });
            }
        });
        Self { port, hits }
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

/// Names as a test wants them; each look-up takes the next answer, and the last one stays.
struct Names(Vec<Vec<IpAddr>>, AtomicUsize);

impl Names {
    fn always(addresses: &[&str]) -> Arc<Self> {
        Self::one_after_the_other(&[addresses])
    }

    fn one_after_the_other(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|list| list.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
        Arc::new(Self(answers, AtomicUsize::new(0)))
    }
}

impl Lookup for Names {
    fn lookup(&self, _name: String) -> std::pin::Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let at = self.1.fetch_add(1, Ordering::SeqCst).min(self.0.len() - 1);
        let found = self.0[at].clone();
        Box::pin(async move { Ok(found) })
    }
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

#[test]
fn only_the_public_internet_is_public() {
    let private = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];
    for text in private {
        assert!(!is_public(text.parse().unwrap()), "{text}");
    }
    for text in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "193.0.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2400:3200::1",
        "2a00:1450::1",
    ] {
        assert!(is_public(text.parse().unwrap()), "{text}");
    }
}

#[tokio::test]
async fn no_spelling_of_a_private_address_is_asked() {
    let canary = Canary::on("127.0.0.1", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let six = Canary::on("::1", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client = GuardedClient::new(LIMITS).unwrap();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "127。0。0。1",
        "１２７.0.0.1",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "0",
        "0.0.0.0",
        "[::]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "%31%32%37.0.0.1",
    ];
    for host in hosts {
        let error = client.json(&url(&format!("https://{host}:{}/client.json", canary.port))).await.unwrap_err();
        // Not every system knows `localhost.`; one that does leads to this machine.
        let unknown = host == "localhost." && matches!(error, GuardError::Unreachable { .. });
        assert!(unknown || matches!(error, GuardError::NotPublic { .. }), "{host}: {error:?}");
        let plain = client.json(&url(&format!("http://{host}:{}/client.json", canary.port))).await.unwrap_err();
        assert!(matches!(plain, GuardError::NotPublic { .. } | GuardError::Address { .. }), "{host}: {plain:?}");
    }
    let error = client.json(&url(&format!("https://[::1]:{}/", six.port))).await.unwrap_err();
    assert!(matches!(error, GuardError::NotPublic { .. }), "{error:?}");
    for text in
        ["http://a@127.0.0.1", "https://a:b@example.com/", "ftp://example.com/", "http://example.com/", "file:///etc/passwd", "data:,x"]
    {
        let error = client.json(&url(text)).await.unwrap_err();
        assert!(matches!(error, GuardError::Address { .. }), "{text}: {error:?}");
    }
    assert_eq!((canary.hits(), six.hits()), (0, 0));
}

#[tokio::test]
async fn h12_a_name_leads_only_to_what_was_checked_and_the_canaries_stay_silent() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let canaries = [Canary::on("127.0.0.1", answer).await, Canary::on("::1", answer).await, Canary::on("127.0.0.2", answer).await];
    let ports: Vec<u16> = canaries.iter().map(|canary| canary.port).collect();
    // A private address anywhere in the answer spoils the name, whatever stands beside it.
    let names = [
        Names::always(&["127.0.0.1"]),
        Names::always(&["8.8.8.8", "127.0.0.1"]),
        Names::always(&["::1"]),
        Names::always(&["2606:4700::1111", "::1"]),
        Names::always(&["::ffff:127.0.0.2"]),
        Names::always(&["169.254.169.254"]),
        Names::always(&[]),
    ];
    for names in names {
        let client = GuardedClient::with_lookup(LIMITS, names).unwrap();
        for port in &ports {
            let error = client.json(&url(&format!("https://client.example:{port}/c.json"))).await.unwrap_err();
            assert!(matches!(error, GuardError::NotPublic { .. }), "{error:?}");
        }
    }
    // A name that is public when it is checked and private ever after: it is looked up once, and that answer is used.
    let flips = Names::one_after_the_other(&[&["192.31.196.1"], &["127.0.0.1"]]);
    let client = GuardedClient::with_lookup(LIMITS, Arc::clone(&flips) as Arc<dyn Lookup>).unwrap();
    let error = client.json(&url(&format!("https://client.example:{}/c.json", ports[0]))).await.unwrap_err();
    assert!(matches!(error, GuardError::Unreachable { .. } | GuardError::Timeout { .. }), "{error:?}");
    assert_eq!(flips.1.load(Ordering::SeqCst), 1);
    assert_eq!(canaries.iter().map(Canary::hits).sum::<usize>(), 0);
}

#[tokio::test]
async fn a_redirect_is_an_error_and_is_not_followed() {
    let target = Canary::on("127.0.0.1", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let location = format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n", target.port);
    let metadata = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/meta-data/\r\ncontent-length: 0\r\n\r\n";
    let client = GuardedClient::new(Limits { loopback: true, ..LIMITS }).unwrap();
    for answer in [&*location.leak(), metadata] {
        let source = Canary::on("127.0.0.1", answer).await;
        let error = client.json(&url(&format!("http://127.0.0.1:{}/c.json", source.port))).await.unwrap_err();
        assert!(matches!(error, GuardError::Status { status: 302, .. }), "{error:?}");
        assert_eq!(source.hits(), 1);
    }
    assert_eq!(target.hits(), 0);
}

#[tokio::test]
async fn bodies_have_limits_and_are_never_repeated() {
    type Case = (&'static str, fn(&GuardError) -> bool);
    let client = GuardedClient::new(Limits { loopback: true, ..LIMITS }).unwrap();
    let ask = async |answer: &'static str| {
        let canary = Canary::on("127.0.0.1", answer).await;
        client.json(&url(&format!("http://localhost:{}/c.json", canary.port))).await
    };
    let good = ask("HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: 7\r\n\r\n{\"a\":1}").await.unwrap();
    assert_eq!(&good.body[..], b"{\"a\":1}");
    let cases: [Case; 6] = [
        ("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\nsecret", |e| matches!(e, GuardError::NotJson { .. })),
        ("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret", |e| matches!(e, GuardError::NotJson { .. })),
        ("HTTP/1.1 500 Oops\r\ncontent-length: 6\r\n\r\nsecret", |e| matches!(e, GuardError::Status { status: 500, .. })),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n7d\r\nsecretxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
            |e| matches!(e, GuardError::TooLarge { max: 100, .. }),
        ),
        ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\nsecret", |e| {
            matches!(e, GuardError::Timeout { .. })
        }),
        ("not http at all: secret", |e| matches!(e, GuardError::Unreachable { .. } | GuardError::Timeout { .. })),
    ];
    for (answer, expected) in cases {
        let error = ask(answer).await.unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}
