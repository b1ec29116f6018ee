//! A leg's RTCP: what the peer reports, and what we report.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::codec;
use super::super::receiver::samples;
use super::super::rtcp::{self, NtpTime};
use super::super::srtp;
use super::link::Refused;
use super::{Leg, Outlet};

/// A round trip longer than this is the peer's wrong count of its own delay.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(60);

impl Leg {
    /// Takes in a datagram from the RTCP socket.
    pub fn rtcp_datagram(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        self.rtcp_in_link(datagram, from, self.since_opening(now));
    }

    /// Takes in a datagram that is RTCP, at whichever port.
    pub(super) fn rtcp_in_link(&mut self, datagram: &[u8], from: SocketAddr, now: Duration) {
        let Some(link) = &mut self.link else { return };
        let mut room = None;
        let received = link.open_rtcp(datagram, from, &mut room).and_then(|report| {
            let parsed = rtcp::parse(report, self.sender.ssrc);
            parsed.map_err(|_| Refused::Invalid)
        });
        let received = match received {
            Ok(received) => received,
            Err(refused) => return self.refuse(refused),
        };
        if let Some((ssrc, info)) = received.sender
            && Some(ssrc) == self.receiver.ssrc()
        {
            self.last_sender_report = Some((info.ntp.middle(), now));
        }
        if let Some(block) = received.about_us {
            self.figures.remote_loss = Some(f32::from(block.fraction_lost) / 256.0);
            if block.last_report != 0 {
                let sent = block.last_report.wrapping_add(block.since_last_report);
                let trip = self.ntp(now).middle().wrapping_sub(sent);
                // A peer that counts its own delay wrongly would make the trip negative.
                self.figures.round_trip = Some(rtcp::span(trip)).filter(|trip| *trip < MAX_ROUND_TRIP);
            }
        }
    }

    /// Reports where one is due.
    pub(super) fn report_due(&mut self, at: Duration, outlet: &mut impl Outlet) {
        if at >= self.next_report {
            self.next_report = at + rtcp::INTERVAL;
            self.report(at, false, outlet);
        }
    }

    /// Sends a report, the last one with a goodbye.
    pub(super) fn report(&mut self, at: Duration, goodbye: bool, outlet: &mut impl Outlet) {
        let Some(link) = &self.link else { return };
        let (to, muxed) = (link.remote_rtcp(), link.is_muxed());
        let (packets, octets) = self.sender.counts();
        let rtp = self.sender.timestamp(samples(at)).0;
        let sender = (packets > 0).then(|| rtcp::SenderInfo { ntp: self.ntp(at), rtp, packets, octets });
        let block = self.receiver.ssrc().map(|ssrc| {
            let reception = self.receiver.reception();
            let (last_report, since) =
                self.last_sender_report.map_or((0, 0), |(middle, came)| (middle, rtcp::short(at.saturating_sub(came))));
            rtcp::ReportBlock {
                ssrc,
                fraction_lost: reception.fraction_lost(),
                lost: i32::try_from(reception.lost()).unwrap_or(i32::MAX),
                highest: reception.highest(),
                jitter: reception.jitter() * codec::factor(link.stream.codec),
                last_report,
                since_last_report: since,
            }
        });
        let report = rtcp::Report { ssrc: self.sender.ssrc, sender, block, cname: &self.cname, goodbye };
        let mut out = [0; rtcp::MAX_LEN + srtp::MAX_GROWTH];
        let len = out.first_chunk_mut().map_or(0, |out| report.write(out));
        let srtp = self.link.as_mut().and_then(|link| link.srtp.as_mut());
        let len = srtp.map_or(Some(len), |srtp| srtp.protect_rtcp(&mut out, len));
        match len {
            // A report that the system refused is lost, as on the network.
            Some(len) if muxed => drop(outlet.rtp(&out[..len], to)),
            Some(len) => outlet.rtcp(&out[..len], to),
            None => {}
        }
    }

    fn ntp(&self, at: Duration) -> NtpTime {
        self.ntp_opened.plus(at)
    }
}
