//! The accept loop: HTTP/1.1 with the bounds that the framework's own server lacks.
//!
//! A peer that sends its header byte by byte is cut off, a connection's buffer is bounded, small
//! answers leave at once (`TCP_NODELAY`), and a stop finishes what is in flight.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use poem::{
    Addr, Endpoint, IntoResponse, http,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};

/// How long a header may take to arrive, and how long a connection may idle between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest request head.
const MAX_HEAD: usize = 32 * 1024;
/// Header fields of one request.
const MAX_HEADERS: usize = 100;
/// Connections at a time. Further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 10_000;
/// How long requests in flight have when the server stops.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(9);

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

/// Serves until `stop` becomes true, then finishes requests in flight.
pub async fn serve<E: Endpoint + 'static>(
    listener: TcpListener,
    endpoint: E,
    mut stop: watch::Receiver<bool>,
) {
    let endpoint = Arc::new(endpoint);
    let graceful = GracefulShutdown::new();
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Some((stream, peer, permit)) = accepted else {
            continue;
        };
        let local = stream.local_addr().map_or_else(
            |_| LocalAddr::default(),
            |local| LocalAddr(Addr::SocketAddr(local)),
        );
        let endpoint = Arc::clone(&endpoint);
        let service = service_fn(move |request| {
            let answer = answer(Arc::clone(&endpoint), request, local.clone(), peer);
            async move { answer.await.map(http::Response::from) }
        });
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // Peers that vanish or speak no HTTP are their own problem.
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were still in flight when the time to stop was over");
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Without it, an answer in two segments waits for the peer's delayed acknowledgement.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::trace!(%error, "TCP_NODELAY was refused");
            }
            Some((stream, peer, permit))
        }
        Err(error) => {
            // Out of file descriptors, most likely: trying again at once would only spin.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// One request, on whatever connection.
async fn answer<E: Endpoint>(
    endpoint: Arc<E>,
    request: http::Request<Incoming>,
    local: LocalAddr,
    peer: SocketAddr,
) -> Result<poem::Response, Infallible> {
    let request = (
        request,
        local,
        RemoteAddr(Addr::SocketAddr(peer)),
        Scheme::HTTP,
    )
        .into();
    Ok(endpoint
        .call(request)
        .await
        .map_or_else(poem::Error::into_response, IntoResponse::into_response))
}
