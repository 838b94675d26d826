//! A name server (RFC 1035) on loopback that knows what tests tell it.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{net::UdpSocket, task::JoinHandle};

const A: u16 = 1;
const TXT: u16 = 16;
/// After the header's twelve bytes the question begins.
const QUESTION: usize = 12;

/// The data of records, by name in lower case and by type.
type Records = Arc<Mutex<HashMap<(String, u16), Vec<Vec<u8>>>>>;

/// Answers over UDP until it is dropped.
#[derive(Debug)]
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    records: Records,
    task: JoinHandle<()>,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl NameServer {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let records = Records::default();
        let known = Arc::clone(&records);
        let task = tokio::spawn(async move {
            let mut packet = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                if let Some(answer) = answer(&packet[..length], &known) {
                    let _gone = socket.send_to(&answer, from).await;
                }
            }
        });
        Self {
            address,
            records,
            task,
        }
    }

    /// One more TXT record, in parts of at most 255 bytes.
    pub(crate) fn add_txt(&self, name: &str, parts: &[&str]) {
        let length = |part: &str| u8::try_from(part.len()).unwrap();
        let data = parts
            .iter()
            .flat_map(|part| std::iter::once(length(part)).chain(part.bytes()));
        self.add(name, TXT, data.collect());
    }

    pub(crate) fn add_address(&self, name: &str, address: Ipv4Addr) {
        self.add(name, A, address.octets().to_vec());
    }

    fn add(&self, name: &str, kind: u16, data: Vec<u8>) {
        let mut records = self.records.lock().unwrap();
        records
            .entry((name.to_owned(), kind))
            .or_default()
            .push(data);
    }

    pub(crate) fn clear_txt(&self, name: &str) {
        self.records.lock().unwrap().remove(&(name.to_owned(), TXT));
    }
}

fn answer(query: &[u8], records: &Records) -> Option<Vec<u8>> {
    let (name, end) = read_name(query)?;
    let kind = u16::from_be_bytes(query.get(end..end + 2)?.try_into().ok()?);
    let records = records.lock().unwrap();
    let found = records.get(&(name.clone(), kind));
    let exists = records.keys().any(|(known, _)| *known == name);
    let found = found.map_or(&[][..], Vec::as_slice);
    let mut answer = query.get(..2)?.to_vec();
    // An answer with recursion; NXDOMAIN where there is nothing of any type.
    answer.extend([0x81, if exists { 0x80 } else { 0x83 }]);
    answer.extend([0, 1]);
    answer.extend(u16::try_from(found.len()).ok()?.to_be_bytes());
    answer.extend([0, 0, 0, 0]);
    answer.extend(query.get(QUESTION..end + 4)?);
    for data in found {
        // The name of the question, its type, class IN, a minute to live.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

/// The name that is asked for, and where it ends.
fn read_name(query: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = QUESTION;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = query.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += length;
    }
}
