//! The answer of a server on its way to the client.

use perf::Counter;
use proto_http::body::{BodyLimits, Decoder};
use proto_http::response::{self, Facts};
use proto_http::upstream::{
    AnswerHead, Asked, Delivery, FieldNames, Framing, Response, ResponseHead, ResponseLimits, ResponseParser,
    Rules, ServerField, write_interim,
};
use proto_http::{Progress, Request, Status, Version, chunk};

use super::super::{Responder, SERVER, Sent};
use super::exchange::Course;
use super::order::Order;
use super::way::{Failure, Way};
use crate::limits::INTERIM_MAX;
use crate::request_ids::RequestId;
use crate::served::Served;

/// What reading answers needs; it is used again.
#[derive(Default)]
pub(super) struct Reading {
    /// Received; `input[at..]` has not been read.
    input: Vec<u8>,
    at: usize,
    parser: ResponseParser,
    head: ResponseHead,
    /// Fields that are added to the answer.
    lines: Vec<u8>,
}
