//! What is sent on, and where it is cut, with a server that answers each message with the same one.

use super::*;

fn message(kind: u8, text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len() + 5).unwrap().to_be_bytes();
    [&[kind], &length[..], text.as_bytes(), &[0]].concat()
}

const STARTUP: [u8; 8] = [0, 0, 0, 8, 0, 3, 0, 0];

/// What a server answers to a start.
fn welcome() -> Vec<u8> {
    message(b'R', "")
}

/// A server for one connection: it answers a start and COMMIT as PostgreSQL does, and anything else with itself; at the end it gives all that it
/// was sent.
async fn server() -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (from, mut to) = stream.into_split();
        let mut messages = Messages::new(from, VecDeque::from([Form::Untyped]));
        let mut sent = Vec::new();
        while let Ok(next) = messages.next().await {
            sent.extend_from_slice(&next);
            let answer = if is_commit(&next) {
                message(b'C', "COMMIT")
            } else if next == STARTUP {
                welcome()
            } else {
                next
            };
            if to.write_all(&answer).await.is_err() {
                break;
            }
        }
        sent
    });
    (address, serving)
}

/// Sends a transaction through a proxy that cuts; what the client was answered, and what the server was sent.
async fn transaction(cut: Option<Cut>) -> (Vec<u8>, Vec<u8>) {
    let (address, serving) = server().await;
    let proxy = Proxy::start(address).await.unwrap();
    if let Some(cut) = cut {
        proxy.cut_next(cut);
    }
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let begin = message(b'Q', "BEGIN");
    // In pieces that end where no message does.
    let whole = [&STARTUP[..], &begin, &message(b'Q', "COMMIT")].concat();
    for piece in whole.chunks(5) {
        client.write_all(piece).await.unwrap();
    }
    let mut answered = Vec::new();
    if cut.is_some() {
        // Cut, it may end in a reset.
        client.read_to_end(&mut answered).await.unwrap_or_default();
        assert_eq!(proxy.cuts(), 1);
    } else {
        let answers = [welcome(), begin, message(b'C', "COMMIT")];
        answered.resize(answers.concat().len(), 0);
        client.read_exact(&mut answered).await.unwrap();
    }
    drop(client);
    (answered, serving.await.unwrap())
}

#[tokio::test]
async fn what_is_not_cut_is_sent_on_as_it_is() {
    let (answered, sent) = transaction(None).await;
    let begin = message(b'Q', "BEGIN");
    assert_eq!(
        sent,
        [&STARTUP[..], &begin, &message(b'Q', "COMMIT")].concat()
    );
    assert!(answered.ends_with(&message(b'C', "COMMIT")));
}

#[tokio::test]
async fn cut_before_the_server_never_hears_of_the_commit() {
    let (_, sent) = transaction(Some(Cut::Before)).await;
    assert_eq!(sent, [&STARTUP[..], &message(b'Q', "BEGIN")].concat());
}

#[tokio::test]
async fn cut_after_the_commit_is_done_and_its_answer_lost() {
    let (answered, sent) = transaction(Some(Cut::After)).await;
    assert!(sent.ends_with(&message(b'Q', "COMMIT")));
    assert!(!answered.ends_with(&message(b'C', "COMMIT")));
}

#[tokio::test]
async fn a_late_commit_is_sent_on_when_the_client_is_gone() {
    let (answered, sent) = transaction(Some(Cut::Late(Duration::from_millis(1)))).await;
    assert!(sent.ends_with(&message(b'Q', "COMMIT")));
    assert!(!answered.ends_with(&message(b'C', "COMMIT")));
}

/// A client with an answered start, through a proxy, and its server.
async fn connected() -> (Proxy, TcpStream, JoinHandle<Vec<u8>>) {
    let (address, serving) = server().await;
    let proxy = Proxy::start(address).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(&STARTUP).await.unwrap();
    client
        .read_exact(&mut vec![0; welcome().len()])
        .await
        .unwrap();
    (proxy, client, serving)
}

#[tokio::test]
async fn cut_all_a_connection_ends_wherever_it_is() {
    let (proxy, mut client, serving) = connected().await;
    proxy.cut_all();
    assert_eq!(client.read(&mut [0]).await.unwrap_or_default(), 0);
    assert_eq!(serving.await.unwrap(), STARTUP);
    assert_eq!(proxy.cuts(), 0);
}

#[tokio::test]
async fn when_answers_end_what_the_client_says_still_arrives() {
    let (proxy, mut client, serving) = connected().await;
    proxy.end_answers(Duration::from_secs(3_600));
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    let query = message(b'Q', "select 1");
    client.write_all(&query).await.unwrap();
    client.shutdown().await.unwrap();
    assert!(serving.await.unwrap().ends_with(&query));
}

#[tokio::test]
async fn stalled_nothing_is_sent_on_until_it_is_over() {
    let (proxy, mut client, _serving) = connected().await;
    proxy.stall(Duration::from_secs(3_600));
    let query = message(b'Q', "select 1");
    client.write_all(&query).await.unwrap();
    let mut answer = vec![0; query.len()];
    let answered = client.read_exact(&mut answer);
    let waits = tokio::time::timeout(Duration::from_millis(20), answered);
    assert!(waits.await.is_err());
    proxy.stall(Duration::ZERO);
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, query);
}

#[test]
fn a_message_ends_where_its_length_says() {
    let query = message(b'Q', "select 1");
    assert_eq!(length(&query, Form::Typed), Some(query.len()));
    assert_eq!(length(&STARTUP, Form::Untyped), Some(8));
    assert_eq!(length(&query[..4], Form::Typed), None);
}

#[test]
fn a_commit_is_known_by_its_text_and_nothing_else() {
    assert!(is_commit(&message(b'Q', "COMMIT")) && is_commit(&message(b'Q', " commit ")));
    assert!(!is_commit(&message(b'P', "COMMIT")) && !is_commit(&message(b'Q', "select 'COMMIT'")));
    assert!(
        answers_commit(&message(b'C', "COMMIT")) && !answers_commit(&message(b'C', "SELECT 1"))
    );
}
