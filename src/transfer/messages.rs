//! Records cut into the messages of a response.
//!
//! Every message repeats header and question, so that owners can end with a pointer to the zone's name there; the
//! records of one name point to the first of them. RDATA is left as it is.

use super::records::Record;
use crate::wire::HEADER_LENGTH;

/// Octets after which a message gets no more records. Every offset up to it can be pointed to.
const MESSAGE_MOST: usize = 16_000;
/// A pointer to the question's name.
const TO_QUESTION: [u8; 2] = [0xc0, HEADER_LENGTH as u8];

/// Cuts the records of one response into messages.
#[derive(Clone)]
pub(super) struct Messages {
    /// Header and question.
    head: Vec<u8>,
    /// Octets of the zone's name, which is the question's.
    apex_length: usize,
    /// OPT record of the first message (RFC 5936 §2.2.5).
    opt: Option<[u8; 11]>,
    message: Vec<u8>,
    answers: u16,
    /// The last owner, and where it lies in the message.
    owner: Option<(Box<[u8]>, [u8; 2])>,
}

impl Messages {
    /// The response to the query that begins with `head`, its header and question; `opt` goes into the first message.
    pub(super) fn new(head: &[u8], opt: Option<[u8; 11]>) -> Self {
        let mut head = head.to_vec();
        head_of_response(&mut head, 0, true);
        let apex_length = head.len().saturating_sub(HEADER_LENGTH + 4);
        Self { message: head.clone(), head, apex_length, opt, answers: 0, owner: None }
    }

    /// Appends a record; returns the message before, if that is full.
    pub(super) fn put(&mut self, record: Record<'_>) -> Option<Vec<u8>> {
        let most = record.owner.len() + 10 + record.rdata.len();
        let is_full = self.answers > 0 && self.message.len() + most > MESSAGE_MOST;
        let full = is_full.then(|| self.cut());
        self.write_owner(record.owner);
        record.write_behind_owner(&mut self.message);
        self.answers += 1;
        full
    }

    /// Octets that the message has so far, its OPT record included.
    pub(super) fn length(&self) -> usize {
        self.message.len() + self.opt.map_or(0, |opt| opt.len())
    }

    /// The last message.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.cut()
    }

    /// The message as it is; another one begins.
    fn cut(&mut self) -> Vec<u8> {
        let mut message = std::mem::replace(&mut self.message, self.head.clone());
        let opt = self.opt.take();
        message.extend(opt.iter().flatten());
        let counts = [1, self.answers, 0, u16::from(opt.is_some())];
        if let Some(octets) = message.get_mut(4..HEADER_LENGTH) {
            octets.copy_from_slice(counts.map(u16::to_be_bytes).as_flattened());
        }
        self.answers = 0;
        self.owner = None;
        message
    }

    /// Appends an owner in the zone.
    fn write_owner(&mut self, owner: &[u8]) {
        if let Some((_, pointer)) = self.owner.as_ref().filter(|(last, _)| **last == *owner) {
            self.message.extend_from_slice(pointer);
            return;
        }
        let at = self.message.len();
        let labels = owner.len().checked_sub(self.apex_length).and_then(|length| owner.get(..length));
        self.message.extend_from_slice(labels.unwrap_or_default());
        self.message.extend_from_slice(&TO_QUESTION);
        // A pointer to a pointer is no shorter.
        let pointer = if at == self.message.len() - 2 { TO_QUESTION } else { (at as u16 | 0xc000).to_be_bytes() };
        self.owner = Some((owner.into(), pointer));
    }
}

/// Makes the header and question of a query those of a response: QR set, opcode and RD kept, AA as given, the rest
/// clear, one question and no record.
pub(super) fn head_of_response(head: &mut [u8], rcode: u8, authoritative: bool) {
    let questions = u8::from(head.len() > HEADER_LENGTH);
    if let Some([_, _, high, low, counts @ ..]) = head.first_chunk_mut::<HEADER_LENGTH>() {
        *high = 0x80 | *high & 0x79 | u8::from(authoritative) << 2;
        *low = *low & 0x10 | rcode;
        *counts = [0, questions, 0, 0, 0, 0, 0, 0];
    }
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
