//! The accept loop: HTTP/1.1 with the bounds that the framework's own server lacks.
//!
//! A peer that sends its header byte by byte is cut off, a connection's buffer is bounded, small
//! answers leave at once (`TCP_NODELAY`), and a stop finishes what is in flight. A request that may change
//! something runs to its end also when its peer goes away: see `to_its_end`.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use poem::{
    Addr, Endpoint, IntoResponse, http,
    http::{HeaderValue, header, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};

use super::to_its_end::ToItsEnd;

/// How long a header may take to arrive, and how long a connection may idle between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest request head.
const MAX_HEAD: usize = 32 * 1024;
/// Header fields of one request.
const MAX_HEADERS: usize = 100;
/// Connections at a time. Further ones wait in the kernel's queue.
const MAX_CONNECTIONS: u32 = 10_000;
/// How a listener ends. A connection that is kept for further requests can't be closed by us without a
/// risk: the next request may be on its way. So peers are told first, by `Connection: close`.
#[derive(Clone, Copy, Debug)]
pub struct Farewell {
    /// How long to go on accepting: whoever hands us connections has to hear of it.
    pub accepting: Duration,
    /// How long those who still keep a connection have to use it once more.
    pub lingering: Duration,
    /// How long requests in flight have, the lingering included.
    pub finishing: Duration,
}

impl Farewell {
    pub const TELLING_PEERS: Self = Self {
        accepting: Duration::from_millis(250),
        lingering: Duration::from_secs(2),
        finishing: Duration::from_secs(9),
    };
    pub const AT_ONCE: Self = Self {
        accepting: Duration::ZERO,
        lingering: Duration::ZERO,
        finishing: Duration::from_secs(1),
    };
}

/// Held by a connection and by whatever goes on for its requests after it is gone: together they are
/// bounded, and a stop waits for them.
#[derive(Clone, Debug)]
pub struct InFlight {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// After it the connection ends, and the peer knows.
const LAST_ANSWER: HeaderValue = HeaderValue::from_static("close");

/// Binds a listener whose port can be taken again right after a restart.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    TcpListener::from_std(socket.into())
}

/// Serves until `stop` becomes true, then says farewell and finishes requests in flight.
pub async fn serve<E: Endpoint + 'static>(
    listener: TcpListener,
    endpoint: E,
    mut stop: watch::Receiver<bool>,
    farewell: Farewell,
) {
    let endpoint = Arc::new(endpoint);
    let graceful = GracefulShutdown::new();
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS as usize));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    let stopping = stop.clone();
    let mut stopped = std::pin::pin!(async move {
        // The sender lives as long as the server: a closed channel means that it has ended.
        let _ended = stop.wait_for(|stop| *stop).await.map(|_| ());
        tokio::time::sleep(farewell.accepting).await;
    });
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            () = &mut stopped => break,
        };
        let Some((stream, peer, in_flight)) = accepted else {
            continue;
        };
        let local = stream.local_addr().map_or_else(
            |_| LocalAddr::default(),
            |local| LocalAddr(Addr::SocketAddr(local)),
        );
        let endpoint = Arc::clone(&endpoint);
        let of_requests = in_flight.clone();
        let stopping = stopping.clone();
        let service = service_fn(move |request| {
            let endpoint = Arc::clone(&endpoint);
            let answer = answer(endpoint, request, local.clone(), peer, of_requests.clone());
            let stopping = stopping.clone();
            async move {
                let mut answer = answer.await?;
                if *stopping.borrow() {
                    answer.headers_mut().insert(header::CONNECTION, LAST_ANSWER);
                }
                Ok::<_, Infallible>(http::Response::from(answer))
            }
        });
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // Peers that vanish or speak no HTTP are their own problem.
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection ended early");
            }
            drop(in_flight);
        });
    }
    drop(listener);
    let all_ended = async {
        let nobody_left = connections.acquire_many(MAX_CONNECTIONS);
        // Given back at once: it is waited for once more.
        drop(tokio::time::timeout(farewell.lingering, nobody_left).await);
        graceful.shutdown().await;
        // What went on without its connection holds a permit as well.
        let _all = connections.acquire_many(MAX_CONNECTIONS).await;
    };
    if tokio::time::timeout(farewell.finishing, all_ended)
        .await
        .is_err()
    {
        tracing::warn!("requests were still in flight when the time to stop was over");
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, InFlight)> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Without it, an answer in two segments waits for the peer's delayed acknowledgement.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::trace!(%error, "TCP_NODELAY was refused");
            }
            let in_flight = InFlight {
                _permit: Arc::new(permit),
            };
            Some((stream, peer, in_flight))
        }
        Err(error) => {
            // Out of file descriptors, most likely: trying again at once would only spin.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Reading, and signing in with a password: nobody is signed in without the answer, and in a flood the passwords
/// of peers that went away are not to be hashed in front of those that wait.
fn may_be_broken_off(method: &http::Method, path: &str) -> bool {
    // A tenant may have any name, and is not to be deleted unseen for it.
    let signs_in = path.ends_with("/login") && !path.starts_with("/admin/");
    method.is_safe() || signs_in
}

/// One request, on whatever connection.
async fn answer<E: Endpoint + 'static>(
    endpoint: Arc<E>,
    request: http::Request<Incoming>,
    local: LocalAddr,
    peer: SocketAddr,
    in_flight: InFlight,
) -> Result<poem::Response, Infallible> {
    let breakable = may_be_broken_off(request.method(), request.uri().path());
    let mut request: poem::Request = (
        request,
        local,
        RemoteAddr(Addr::SocketAddr(peer)),
        Scheme::HTTP,
    )
        .into();
    request.extensions_mut().insert(in_flight.clone());
    let call = async move {
        endpoint
            .call(request)
            .await
            .map_or_else(poem::Error::into_response, IntoResponse::into_response)
    };
    Ok(if breakable {
        call.await
    } else {
        ToItsEnd::new(call, in_flight).await
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use poem::{Endpoint, endpoint::make};
    use tokio::io::AsyncWriteExt;

    use super::*;

    const WORK: Duration = Duration::from_millis(300);

    /// Counts the requests that it answered, each after a while.
    fn slow(done: &Arc<AtomicUsize>) -> impl Endpoint + 'static {
        let done = Arc::clone(done);
        make(move |_| {
            let done = Arc::clone(&done);
            async move {
                tokio::time::sleep(WORK).await;
                done.fetch_add(1, Ordering::SeqCst);
            }
        })
    }

    #[tokio::test]
    async fn a_change_whose_peer_went_away_is_finished_before_the_stop() {
        let done = Arc::new(AtomicUsize::new(0));
        let listener = bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(serve(
            listener,
            slow(&done),
            stopped,
            Farewell::TELLING_PEERS,
        ));
        for (method, path) in [
            ("POST", "/t/acme/oauth2/token"),
            ("PATCH", "/admin/v1/tenants/acme/users/1"),
            ("DELETE", "/admin/v1/tenants/login"),
            ("GET", "/admin/v1/tenants"),
            ("POST", "/t/acme/auth/login"),
        ] {
            let mut peer = TcpStream::connect(address).await.expect("a connection");
            let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
            peer.write_all(head.as_bytes()).await.expect("sent");
            // Long enough for the server to have begun, and not to have ended.
            tokio::time::sleep(WORK / 3).await;
        }
        stop.send_replace(true);
        server.await.expect("no panic");
        assert_eq!(
            done.load(Ordering::SeqCst),
            3,
            "reading and logins are broken off, changes aren't"
        );
    }
}
