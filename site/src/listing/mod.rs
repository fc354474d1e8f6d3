//! Listings of folders, as pages and as JSON: from what is in a folder to bytes. Names are anything that a file system
//! takes, and are meant to do harm.

mod html;
mod json;
mod order;
mod text;

use proto_http::{Known, Request};

use crate::accept;
pub use order::Order;

/// What folders are listed as.
pub use config::Listing as ListingForm;

/// What a page of a listing may do: show itself, in its own style.
pub const POLICY: &str = include_str!("policy.txt");

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Bytes of a file.
    pub len: u64,
    /// When its content was changed, seconds since 1970.
    pub modified: u64,
}

/// A folder as it is to be shown.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The path that was asked for, decoded; begins and ends with a slash.
    pub path: Vec<u8>,
    /// What is in it.
    pub entries: Vec<Entry>,
    /// Whether that is all.
    pub whole: bool,
}

/// What a listing is sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A page for people.
    Html,
    /// For programs.
    Json,
}

impl Shape {
    /// What this request gets.
    #[must_use]
    pub fn of(form: ListingForm, request: &Request<'_>) -> Shape {
        match form {
            ListingForm::Html => Shape::Html,
            ListingForm::Json => Shape::Json,
            ListingForm::Auto if accept::prefers_json(request.all(Known::Accept)) => Shape::Json,
            ListingForm::Auto => Shape::Html,
        }
    }

    /// Value of `Content-Type`.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Shape::Html => "text/html; charset=utf-8",
            Shape::Json => "application/json",
        }
    }
}

impl Folder {
    /// The listing as bytes, sorted.
    #[must_use]
    pub fn show(mut self, shape: Shape, order: Order) -> Vec<u8> {
        order.sort(&mut self.entries);
        match shape {
            Shape::Html => html::page(&self, order),
            Shape::Json => json::object(&self),
        }
    }
}

#[cfg(test)]
mod tests;
