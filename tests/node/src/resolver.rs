//! A DNS server that knows one name, as a stand-in for the cluster's.

use std::net::Ipv4Addr;

use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, QTYPE, RCODE, ResourceRecord, TYPE};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// The name of the sandbox.
pub(crate) const SANDBOX: &str = "didit.sandbox.test";

/// Resolvers know no other.
const PORT: u16 = 53;

/// How long an answer may be kept, in seconds.
const TIME_TO_LIVE: u32 = 1;

/// A running server, which ends with the value.
#[derive(Debug)]
pub(crate) struct Resolver(JoinHandle<()>);

impl Resolver {
    /// Starts it at an address, with the one that the name leads to. Needs root, for the port.
    pub(crate) async fn start(address: Ipv4Addr, sandbox: Ipv4Addr) -> Result<Self, Failure> {
        let socket = UdpSocket::bind((address, PORT))
            .await
            .map_err(|error| Failure::said(format!("cannot answer DNS at {address}:{PORT}: {error}")))?;
        Ok(Self(tokio::spawn(serve(socket, sandbox))))
    }

    /// A `resolv.conf` as the kubelet writes it into pods: with domains that are tried before the name itself.
    pub(crate) fn configuration(address: Ipv4Addr) -> String {
        format!(
            "nameserver {address}\nsearch keywright-system.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
        )
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn serve(socket: UdpSocket, sandbox: Ipv4Addr) {
    let mut buffer = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
        if let Some(reply) = buffer.get(..length).and_then(|query| answer(query, sandbox)) {
            // Who gets no answer asks again.
            let _ = socket.send_to(&reply, client).await;
        }
    }
}

fn answer(query: &[u8], sandbox: Ipv4Addr) -> Option<Vec<u8>> {
    let query = Packet::parse(query).ok()?;
    let question = query.questions.first()?;
    let mut reply = Packet::new_reply(query.id());
    if question.qname.to_string() != SANDBOX {
        *reply.rcode_mut() = RCODE::NameError;
    } else if question.qtype == QTYPE::TYPE(TYPE::A) {
        let address = RData::A(A {
            address: sandbox.into(),
        });
        let record = ResourceRecord::new(question.qname.clone(), CLASS::IN, TIME_TO_LIVE, address);
        reply.answers.push(record);
    }
    reply.questions.push(question.clone());
    reply.build_bytes_vec().ok()
}

#[cfg(test)]
mod tests {
    use simple_dns::{Name, QCLASS, Question};

    use super::*;

    fn ask(name: &str, kind: TYPE) -> (RCODE, usize) {
        let mut query = Packet::new_query(7);
        let name = Name::new(name).unwrap();
        query.questions.push(Question::new(
            name,
            QTYPE::TYPE(kind),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        let reply = answer(&query.build_bytes_vec().unwrap(), Ipv4Addr::LOCALHOST).unwrap();
        let reply = Packet::parse(&reply).unwrap();
        assert_eq!(reply.id(), 7);
        (reply.rcode(), reply.answers.len())
    }

    #[test]
    fn one_name_has_one_address_and_others_do_not_exist() {
        assert_eq!(ask(SANDBOX, TYPE::A), (RCODE::NoError, 1));
        assert_eq!(ask(SANDBOX, TYPE::AAAA), (RCODE::NoError, 0));
        assert_eq!(
            ask("didit.sandbox.test.cluster.local", TYPE::A),
            (RCODE::NameError, 0)
        );
        assert_eq!(answer(b"no query", Ipv4Addr::LOCALHOST), None);
    }
}
