//! How much of an exchange is borne (T87).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{io::AsyncWriteExt, time::sleep};

use super::{
    super::fetcher::{IN_FLIGHT, MAX_BODY, OF_ONE_TENANT, WHOLE_EXCHANGE},
    listener::{LOOPBACK, Listener, answer, fetcher},
    somebody,
};
use crate::application::ports::{Outbound, OutboundError};

#[tokio::test]
async fn an_answer_that_is_slow_or_never_comes_is_cut_off() {
    let trickling = Listener::start(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{").await?;
        loop {
            sleep(Duration::from_millis(100)).await;
            stream.write_all(b" ").await?;
        }
    })
    .await;
    let slow_head = Listener::start(|mut stream| async move {
        loop {
            sleep(Duration::from_millis(100)).await;
            stream.write_all(b"H").await?;
        }
    })
    .await;
    let silent = Listener::start(|stream| async move {
        sleep(Duration::from_secs(60)).await;
        drop(stream);
        Ok(())
    })
    .await;
    let fetcher = fetcher(LOOPBACK, Arc::default());
    let start = Instant::now();
    let urls = [trickling, slow_head, silent].map(|listener| listener.url("127.0.0.1"));
    let answers = join_all(urls.iter().map(|url| fetcher.get_json(somebody(), url))).await;
    assert!(
        answers
            .iter()
            .all(|answer| *answer == Err(OutboundError::Failed))
    );
    let took = start.elapsed();
    assert!(took < WHOLE_EXCHANGE + Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let written = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    let endless = Listener::start(move |mut stream| {
        let written = Arc::clone(&counter);
        async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[b' '; 64 * 1024]).await?;
                written.fetch_add(64 * 1024, Ordering::SeqCst);
            }
        }
    })
    .await;
    let start = Instant::now();
    let answer = fetcher(LOOPBACK, Arc::default())
        .get_json(somebody(), &endless.url("127.0.0.1"))
        .await;
    assert_eq!(answer, Err(OutboundError::Failed));
    assert!(start.elapsed() < WHOLE_EXCHANGE, "it was the length");
    // The buffers of two sockets come on top.
    assert!(written.load(Ordering::SeqCst) < MAX_BODY + 16 * 1024 * 1024);
}

#[tokio::test]
async fn the_longest_answer_is_taken_and_a_byte_more_is_not() {
    for (length, good) in [(MAX_BODY, true), (MAX_BODY + 1, false)] {
        let body = format!("\"{}\"", "x".repeat(length - 2));
        let rp = Listener::answering(answer("200 OK", "", &body)).await;
        let answer = fetcher(LOOPBACK, Arc::default())
            .get_json(somebody(), &rp.url("127.0.0.1"))
            .await;
        assert_eq!(answer.is_ok(), good, "{length}");
    }
}

#[tokio::test]
async fn what_is_compressed_deep_or_no_json_is_refused() {
    let deep = "[".repeat(100_000);
    for (status, head, body) in [
        ("200 OK", "Content-Encoding: gzip\r\n", "{}"),
        ("200 OK", "Content-Encoding: br\r\n", "{}"),
        ("200 OK", "", "<html></html>"),
        ("200 OK", "", "{} {}"),
        ("200 OK", "", ""),
        ("200 OK", "", deep.as_str()),
        ("206 Partial Content", "", "{}"),
        ("404 Not Found", "", "{}"),
        ("500 Internal Server Error", "", "{}"),
    ] {
        let rp = Listener::answering(answer(status, head, body)).await;
        let answer = fetcher(LOOPBACK, Arc::default())
            .get_json(somebody(), &rp.url("127.0.0.1"))
            .await;
        assert_eq!(answer, Err(OutboundError::Failed), "{status} {head}");
    }
}

#[tokio::test]
async fn only_so_many_exchanges_are_under_way() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (Arc::clone(&now), Arc::clone(&most));
    let rp = Listener::start(move |mut stream| {
        let (now, most) = counters.clone();
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_millis(300)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            stream
                .write_all(answer("200 OK", "", "{}").as_bytes())
                .await
        }
    })
    .await;
    let fetcher = fetcher(LOOPBACK, Arc::default());
    let url = rp.url("127.0.0.1");
    let answers = join_all((0..IN_FLIGHT * 2).map(|_| fetcher.get_json(somebody(), &url))).await;
    assert!(answers.iter().all(|answer| *answer == Ok(json!({}))));
    let together = most.swap(0, Ordering::SeqCst);
    assert!(
        (IN_FLIGHT / 2..=IN_FLIGHT).contains(&together),
        "{together}"
    );

    // One tenant's slow hosts leave most places to others.
    let acme = somebody();
    let answers = join_all((0..OF_ONE_TENANT * 2).map(|_| fetcher.get_json(acme, &url))).await;
    assert!(answers.iter().all(|answer| *answer == Ok(json!({}))));
    let alone = most.load(Ordering::SeqCst);
    assert!(
        (OF_ONE_TENANT / 2..=OF_ONE_TENANT).contains(&alone),
        "{alone}"
    );
}
