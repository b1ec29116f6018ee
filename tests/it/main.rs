//! The gateway from outside: real sockets on 127.0.0.1, one file a behaviour.

mod cli;
mod codecs;
mod crash;
mod drain;
mod full_disk;
mod hotline;
mod keys;
mod layering;
mod lines;
mod notices;
mod outage;
mod pages;
mod privacy;
mod sip_calls;
mod sip_front;
mod sip_ringing;
mod sip_tls;
mod sip_trunks;
mod support;
mod survey;
mod survey_kill;
mod survey_person;
mod survey_revoke;
mod survey_who;
mod torture;
mod transfer;
