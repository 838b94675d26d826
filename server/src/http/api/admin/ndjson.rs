//! Lines of JSON on their way in and out.

use std::{io, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

use crate::domain::violation::Violations;

/// The longest line, in bytes.
const MAX_LINE: usize = 64 * 1024;

/// A line that was read.
pub(super) struct Line {
    /// Its members, or why it has none.
    pub(super) members: Result<Map<String, Value>, Violations>,
    /// How long it is. What was passed over isn't kept and doesn't count.
    pub(super) bytes: usize,
}

/// The next line that isn't empty, read; none at the end.
pub(super) async fn next_line(
    reader: &mut (impl AsyncBufRead + Unpin + Send),
) -> io::Result<Option<Line>> {
    loop {
        let mut line = Vec::new();
        let mut too_long = false;
        loop {
            let available = reader.fill_buf().await?;
            if available.is_empty() {
                break;
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            // The rest of a line that is too long is passed over, not kept.
            too_long |= line.len() + part.len() > MAX_LINE;
            if !too_long {
                line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            reader.consume(used);
            if end.is_some() {
                if line.is_empty() && !too_long {
                    // Passed over, so that it isn't taken for the end.
                    line.push(b' ');
                }
                break;
            }
        }
        if too_long {
            let members = Err(Violations::one("", "is longer than 64 KiB"));
            return Ok(Some(Line { members, bytes: 0 }));
        }
        if line.is_empty() {
            return Ok(None);
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let members = match serde_json::from_slice(text) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(Violations::one("", "must be a JSON object")),
            // Not the error's own text: it may repeat parts of the line.
            Err(_) => Err(Violations::one("", "is not valid JSON")),
        };
        let bytes = text.len();
        return Ok(Some(Line { members, bytes }));
    }
}

/// Takes lines for a reader; a bounded number of bytes waits for it.
pub(super) struct LineSender {
    lines: mpsc::UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
    capacity: u32,
    patience: Duration,
}

/// What was sent, in order.
pub(super) struct Lines(mpsc::UnboundedReceiver<Waiting>);

struct Waiting {
    line: Vec<u8>,
    /// Given back when the line is taken out.
    _room: OwnedSemaphorePermit,
}

/// Nobody reads any more, or not soon enough.
#[derive(Debug)]
pub(super) struct NobodyReads;

/// Lines of up to `capacity` bytes wait; who sends more waits for as long as `patience`.
pub(super) fn results(capacity: u32, patience: Duration) -> (LineSender, Lines) {
    let (lines, received) = mpsc::unbounded_channel();
    let sender = LineSender {
        lines,
        room: Arc::new(Semaphore::new(capacity as usize)),
        capacity,
        patience,
    };
    (sender, Lines(received))
}

impl LineSender {
    pub(super) async fn send(&self, line: Vec<u8>) -> Result<(), NobodyReads> {
        let bytes = u32::try_from(line.len()).map_or(self.capacity, |n| n.min(self.capacity));
        let room = Arc::clone(&self.room).acquire_many_owned(bytes);
        let room = tokio::select! {
            room = timeout(self.patience, room) => room,
            () = self.lines.closed() => return Err(NobodyReads),
        };
        let Ok(Ok(room)) = room else {
            return Err(NobodyReads);
        };
        let waiting = Waiting { line, _room: room };
        self.lines.send(waiting).map_err(|_| NobodyReads)
    }
}

impl Lines {
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        self.0.recv().await.map(|waiting| waiting.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8]) -> Vec<bool> {
        // A buffer of three bytes: lines come in parts.
        let mut reader = tokio::io::BufReader::with_capacity(3, text);
        let mut read = Vec::new();
        while let Some(line) = next_line(&mut reader).await.expect("memory") {
            read.push(line.members.is_ok());
        }
        read
    }

    #[tokio::test]
    async fn lines_are_told_apart() {
        assert_eq!(lines(b"").await, [true; 0]);
        assert_eq!(lines(b"\n\n \r\n").await, [true; 0]);
        assert_eq!(
            lines(b"{\"a\":1}\r\n\n{}\n[]\nx\n{}").await,
            [true, true, false, false, true]
        );
        let long = [b"{}\n", vec![b'x'; MAX_LINE + 1].as_slice(), b"\n{}"].concat();
        assert_eq!(lines(&long).await, [true, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_is_bounded_and_not_waited_for_for_ever() {
        let (sender, mut lines) = results(100, Duration::from_secs(30));
        sender.send(vec![0; 60]).await.expect("room");
        sender.send(vec![0; 40]).await.expect("room");
        let started = tokio::time::Instant::now();
        assert!(sender.send(vec![0; 1]).await.is_err(), "nobody reads");
        assert_eq!(started.elapsed(), Duration::from_secs(30));
        assert_eq!(lines.next().await.map(|line| line.len()), Some(60));
        sender.send(vec![0; 60]).await.expect("room again");
        // One that is larger than all room goes when there is nothing else.
        let (waits, ()) = tokio::join!(sender.send(vec![0; 500]), async {
            for _ in 0..3 {
                lines.next().await;
            }
        });
        waits.expect("it was read");
        drop(lines);
        assert!(sender.send(vec![0; 1]).await.is_err(), "nobody ever will");
        assert_eq!(started.elapsed(), Duration::from_secs(30));
    }
}
