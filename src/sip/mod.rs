//! SIP: offer/answer, endpoint, inbound and outbound dialogs. Nothing outside names a type of the SIP library.
