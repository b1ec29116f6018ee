//! The cryptography of SRTP: key derivation (RFC 3711 §4.3), AES counter mode with HMAC-SHA1 (§4.1, §4.2), and AES-GCM
//! (RFC 7714). The primitives are those of `aes`, `ctr` and `ring`; here their inputs are laid out.

use aes::cipher::{InnerIvInit as _, KeyInit as _, KeyIvInit as _, StreamCipher as _};
use aes::{Aes128, Aes256};
use ctr::{Ctr128BE, CtrCore};
use ring::{aead, hmac};

use crate::call::stream::{MasterKey, SrtpSuite};

/// Octets of an RTCP packet that stay in the clear: its first header and source.
pub(super) const RTCP_CLEAR: usize = 8;
/// The bit of the SRTCP index word that says that the packet is encrypted (RFC 3711 §3.4).
pub(super) const ENCRYPTED: u32 = 1 << 31;

/// Octets of the SRTCP index.
const INDEX: usize = 4;
/// Octets of the tag of SRTCP by HMAC, whatever that of SRTP is (RFC 4568 §6.2).
const RTCP_TAG: usize = 10;
/// Octets of the key of HMAC-SHA1.
const AUTH_KEY: usize = 20;
/// Octets of the salt of AES-CM, and of the padded one that keys are derived with.
const SALT: usize = 14;

/// What a key is derived for (RFC 3711 §4.3.2), for SRTP; those for SRTCP are [`FOR_RTCP`] higher.
const FOR_ENCRYPTION: u8 = 0;
const FOR_AUTHENTICATION: u8 = 1;
const FOR_SALT: u8 = 2;
const FOR_RTCP: u8 = 3;

/// One direction's keys.
pub(super) struct Transform {
    rtp: Cipher,
    rtcp: Cipher,
}

enum Cipher {
    Cm { aes: Aes128, salt: [u8; SALT], auth: hmac::Key, tag: usize },
    Gcm { key: aead::LessSafeKey, salt: [u8; aead::NONCE_LEN] },
}

impl Transform {
    /// Session keys from a master key, with a key derivation rate of zero.
    pub(super) fn new(suite: SrtpSuite, master: &MasterKey) -> Self {
        let cipher = |first, tag| match suite {
            SrtpSuite::AesCm128HmacSha1_80 | SrtpSuite::AesCm128HmacSha1_32 => Cipher::Cm {
                aes: Aes128::new(&derive::<16>(master, first + FOR_ENCRYPTION).into()),
                salt: derive(master, first + FOR_SALT),
                auth: hmac::Key::new(
                    hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                    &derive::<AUTH_KEY>(master, first + FOR_AUTHENTICATION),
                ),
                tag,
            },
            SrtpSuite::AeadAes128Gcm => Cipher::gcm(
                &aead::AES_128_GCM,
                &derive::<16>(master, first + FOR_ENCRYPTION),
                derive(master, first + FOR_SALT),
            ),
            SrtpSuite::AeadAes256Gcm => Cipher::gcm(
                &aead::AES_256_GCM,
                &derive::<32>(master, first + FOR_ENCRYPTION),
                derive(master, first + FOR_SALT),
            ),
        };
        let tag = if suite == SrtpSuite::AesCm128HmacSha1_32 { 4 } else { RTCP_TAG };
        Self { rtp: cipher(0, tag), rtcp: cipher(FOR_RTCP, RTCP_TAG) }
    }

    /// Octets that SRTP adds.
    pub(super) fn rtp_overhead(&self) -> usize {
        self.rtp.tag_len()
    }

    /// Octets that SRTCP adds.
    pub(super) fn rtcp_overhead(&self) -> usize {
        self.rtcp.tag_len() + INDEX
    }

    /// Encrypts the first `len` octets of `buffer` from `payload_at` on, and appends the tag; the new length.
    pub(super) fn seal_rtp(
        &self,
        buffer: &mut [u8],
        len: usize,
        payload_at: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        let whole = buffer.get_mut(..len + self.rtp.tag_len())?;
        let (packet, tag_out) = whole.split_at_mut(len);
        match &self.rtp {
            Cipher::Cm { aes, salt, auth, .. } => {
                counter_mode(aes, salt, ssrc, index, &mut packet[payload_at..]);
                let tag = sign(auth, packet, &roc(index));
                tag_out.copy_from_slice(&tag.as_ref()[..tag_out.len()]);
            }
            Cipher::Gcm { key, salt } => {
                let (header, payload) = packet.split_at_mut(payload_at);
                let nonce = rtp_nonce(salt, ssrc, index);
                let tag = key.seal_in_place_separate_tag(nonce, aead::Aad::from(header), payload).ok()?;
                tag_out.copy_from_slice(tag.as_ref());
            }
        }
        Some(len + self.rtp.tag_len())
    }

    /// Checks the tag and decrypts in place; the length without the tag.
    pub(super) fn open_rtp(&self, packet: &mut [u8], payload_at: usize, ssrc: u32, index: u64) -> Option<usize> {
        let len = packet.len().checked_sub(self.rtp.tag_len()).filter(|len| *len >= payload_at)?;
        match &self.rtp {
            Cipher::Cm { aes, salt, auth, .. } => {
                let (packet, tag) = packet.split_at_mut(len);
                verify(auth, packet, &roc(index), tag)?;
                counter_mode(aes, salt, ssrc, index, &mut packet[payload_at..]);
            }
            Cipher::Gcm { key, salt } => {
                let (header, payload) = packet.split_at_mut(payload_at);
                key.open_in_place(rtp_nonce(salt, ssrc, index), aead::Aad::from(header), payload).ok()?;
            }
        }
        Some(len)
    }

    /// Encrypts the first `len` octets of `buffer` behind [`RTCP_CLEAR`], and appends index and tag; the new length.
    pub(super) fn seal_rtcp(&self, buffer: &mut [u8], len: usize, ssrc: u32, index: u32) -> Option<usize> {
        let grown = len + self.rtcp_overhead();
        let whole = buffer.get_mut(..grown)?;
        let word = (index | ENCRYPTED).to_be_bytes();
        match &self.rtcp {
            Cipher::Cm { aes, salt, auth, .. } => {
                counter_mode(aes, salt, ssrc, index.into(), &mut whole[RTCP_CLEAR..len]);
                whole[len..len + INDEX].copy_from_slice(&word);
                let (packet, tag_out) = whole.split_at_mut(len + INDEX);
                let tag = sign(auth, packet, &[]);
                tag_out.copy_from_slice(&tag.as_ref()[..tag_out.len()]);
            }
            Cipher::Gcm { key, salt } => {
                let (packet, trailer) = whole.split_at_mut(len);
                let (header, payload) = packet.split_at_mut(RTCP_CLEAR);
                let aad = rtcp_aad(header, word);
                let tag = key
                    .seal_in_place_separate_tag(rtcp_nonce(salt, ssrc, index), aead::Aad::from(aad), payload)
                    .ok()?;
                let (tag_out, index_out) = trailer.split_at_mut(tag.as_ref().len());
                tag_out.copy_from_slice(tag.as_ref());
                index_out.copy_from_slice(&word);
            }
        }
        Some(grown)
    }

    /// The index that an SRTCP packet claims; 0 where it is too short.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> u32 {
        self.rtcp_word(packet) & !ENCRYPTED
    }

    /// Checks the tag of an SRTCP packet and decrypts it in place; the length in the clear.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32) -> Option<usize> {
        let len = packet.len().checked_sub(self.rtcp_overhead()).filter(|len| *len >= RTCP_CLEAR)?;
        let (word, index) = (self.rtcp_word(packet), self.rtcp_index(packet));
        match &self.rtcp {
            Cipher::Cm { aes, salt, auth, .. } => {
                let (packet, tag) = packet.split_at_mut(len + INDEX);
                verify(auth, packet, &[], tag)?;
                if word & ENCRYPTED != 0 {
                    counter_mode(aes, salt, ssrc, index.into(), &mut packet[RTCP_CLEAR..len]);
                }
            }
            Cipher::Gcm { key, salt } => {
                // What comes unencrypted is authenticated otherwise (RFC 7714 §9.3); nobody was seen to send it.
                if word & ENCRYPTED == 0 {
                    return None;
                }
                let before_index = packet.len() - INDEX;
                let (header, sealed) = packet[..before_index].split_at_mut(RTCP_CLEAR);
                let aad = rtcp_aad(header, word.to_be_bytes());
                key.open_in_place(rtcp_nonce(salt, ssrc, index), aead::Aad::from(aad), sealed).ok()?;
            }
        }
        Some(len)
    }

    /// The index word: before the tag with AES-CM (RFC 3711 §3.4), behind it with GCM (RFC 7714 §9).
    fn rtcp_word(&self, packet: &[u8]) -> u32 {
        let behind = match &self.rtcp {
            Cipher::Cm { tag, .. } => INDEX + tag,
            Cipher::Gcm { .. } => INDEX,
        };
        let at = packet.len().saturating_sub(behind);
        packet[at..].first_chunk().map_or(0, |word| u32::from_be_bytes(*word))
    }
}

impl Cipher {
    fn gcm(algorithm: &'static aead::Algorithm, key: &[u8], salt: [u8; aead::NONCE_LEN]) -> Self {
        let key = aead::UnboundKey::new(algorithm, key).expect("the suite's key is of the algorithm's length");
        Self::Gcm { key: aead::LessSafeKey::new(key), salt }
    }

    fn tag_len(&self) -> usize {
        match self {
            Self::Cm { tag, .. } => *tag,
            Self::Gcm { key, .. } => key.algorithm().tag_len(),
        }
    }
}

/// The key derivation function with a rate of zero: key stream of the master key at `label` (RFC 3711 §4.3.3; RFC 6188
/// for 256 bits; a salt of 96 bits is padded on the right, RFC 7714 §11).
fn derive<const LEN: usize>(master: &MasterKey, label: u8) -> [u8; LEN] {
    let mut iv = [0; 16];
    iv[..master.salt().len()].copy_from_slice(master.salt());
    iv[7] ^= label;
    let mut out = [0; LEN];
    if let Ok(mut stream) = Ctr128BE::<Aes128>::new_from_slices(master.key(), &iv) {
        stream.apply_keystream(&mut out);
    } else if let Ok(mut stream) = Ctr128BE::<Aes256>::new_from_slices(master.key(), &iv) {
        stream.apply_keystream(&mut out);
    }
    out
}

/// Encrypts or decrypts (RFC 3711 §4.1.1): IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16).
fn counter_mode(aes: &Aes128, salt: &[u8; SALT], ssrc: u32, index: u64, data: &mut [u8]) {
    let mut iv = [0; 16];
    iv[..SALT].copy_from_slice(salt);
    xor(&mut iv[4..8], &ssrc.to_be_bytes());
    xor(&mut iv[8..SALT], &index.to_be_bytes()[2..]);
    let core = CtrCore::<_, ctr::flavors::Ctr128BE>::inner_iv_init(aes, &iv.into());
    Ctr128BE::from_core(core).apply_keystream(data);
}

/// RFC 7714 §8.1: 0 0, SSRC, rollover counter and sequence number, XOR the salt.
fn rtp_nonce(salt: &[u8; aead::NONCE_LEN], ssrc: u32, index: u64) -> aead::Nonce {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[6..], &index.to_be_bytes()[2..]);
    aead::Nonce::assume_unique_for_key(nonce)
}

/// RFC 7714 §9.1: 0 0, SSRC, 0 0, index, XOR the salt.
fn rtcp_nonce(salt: &[u8; aead::NONCE_LEN], ssrc: u32, index: u32) -> aead::Nonce {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[8..], &index.to_be_bytes());
    aead::Nonce::assume_unique_for_key(nonce)
}

/// RFC 7714 §9.2: the header in the clear and the index word.
fn rtcp_aad(header: &[u8], word: [u8; INDEX]) -> [u8; RTCP_CLEAR + INDEX] {
    let mut aad = [0; RTCP_CLEAR + INDEX];
    aad[..RTCP_CLEAR].copy_from_slice(header);
    aad[RTCP_CLEAR..].copy_from_slice(&word);
    aad
}

/// The rollover counter, which is signed though it is not sent (RFC 3711 §4.2).
fn roc(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

fn sign(auth: &hmac::Key, packet: &[u8], roc: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(auth);
    context.update(packet);
    context.update(roc);
    context.sign()
}

/// Compares a shortened tag in a time that does not depend on where it differs.
fn verify(auth: &hmac::Key, packet: &[u8], roc: &[u8], tag: &[u8]) -> Option<()> {
    let right = sign(auth, packet, roc);
    let differs = right.as_ref().iter().zip(tag).fold(0, |differs, (a, b)| differs | (a ^ b));
    (std::hint::black_box(differs) == 0).then_some(())
}

fn xor(into: &mut [u8], octets: &[u8]) {
    for (a, b) in into.iter_mut().zip(octets) {
        *a ^= b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(text: &str) -> Vec<u8> {
        hex::decode(text.replace([' ', '\n'], "")).expect("hexadecimal")
    }

    fn master(suite: SrtpSuite, text: &str) -> MasterKey {
        MasterKey::new(suite, &octets(text)).expect("its length")
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn keys_are_derived_as_the_rfc_prints_them() {
        let master =
            master(SrtpSuite::AesCm128HmacSha1_80, "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        assert_eq!(derive::<16>(&master, 0).to_vec(), octets("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derive::<14>(&master, 2).to_vec(), octets("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(derive::<20>(&master, 1).to_vec(), octets("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    /// The reference packets of libsrtp 2.5 (`srtp_driver`, `srtp_validate`).
    #[test]
    fn packets_are_those_of_libsrtp() {
        let suite = SrtpSuite::AesCm128HmacSha1_80;
        let master = master(suite, "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        let transform = Transform::new(suite, &master);
        let clear = octets("800F1234 DECAFBAD CAFEBABE ABABABABABABABABABABABABABABABAB");
        let mut packet = [clear.clone(), vec![0; 10]].concat();
        assert_eq!(transform.seal_rtp(&mut packet, clear.len(), 12, 0xCAFE_BABE, 0x1234), Some(38));
        assert_eq!(packet, octets("800F1234 DECAFBAD CAFEBABE 4E55DC4CE79978D88CA4D215949D2402 B78D6ACC99EA179B8DBB"));
        let clear = octets("81C8000B CAFEBABE ABABABABABABABABABABABABABABABAB");
        let mut packet = [clear.clone(), vec![0; 14]].concat();
        assert_eq!(transform.seal_rtcp(&mut packet, clear.len(), 0xCAFE_BABE, 1), Some(38));
        assert_eq!(packet, octets("81C8000B CAFEBABE 7128035BE487B9BDBEF89041F977A5A8 80000001 993E08CD54D6C1230798"));
    }

    /// RFC 7714 §16.1.1 and §17.1 (AEAD_AES_128_GCM), which begin at the session keys.
    #[test]
    fn packets_are_those_of_rfc_7714() {
        let cipher = || {
            let salt = *octets("517569642070726F2071756F").first_chunk().expect("12 octets");
            Cipher::gcm(&aead::AES_128_GCM, &octets("000102030405060708090A0B0C0D0E0F"), salt)
        };
        let transform = Transform { rtp: cipher(), rtcp: cipher() };
        let clear = octets(
            "8040F17B 8041F8D3 5501A0B2
             47616C6C696120657374206F6D6E69732064697669736120696E207061727465732074726573",
        );
        let mut packet = [clear.clone(), vec![0; 16]].concat();
        assert_eq!(transform.seal_rtp(&mut packet, clear.len(), 12, 0x5501_A0B2, 0xF17B), Some(66));
        assert_eq!(
            packet,
            octets(
                "8040F17B 8041F8D3 5501A0B2
                 F24DE3A3FB34DE6CACBA861C9D7E4BCABE633BD50D294E6F42A5F47A51C7D19B36DE3ADF8833
                 899D7F27BEB16A9152CF765EE4390CCE"
            )
        );
        let clear = octets(
            "81C8000D 4D617273 4E5450314E545032 525450200000042A 0000E930 4C756E61 DEADBEEFDEADBEEFDEADBEEFDEADBEEFDEADBEEF",
        );
        let mut packet = [clear.clone(), vec![0; 20]].concat();
        assert_eq!(transform.seal_rtcp(&mut packet, clear.len(), 0x4D61_7273, 0x5D4), Some(clear.len() + 20));
        assert_eq!(
            packet,
            octets(
                "81C8000D 4D617273 63E94885 DCDAB67C A727D766 2F6B7E99 7FF5C0F7 6C06F32D C676A5F1 730D6FDA 4CE09B46 86303DED
                 0BB9275B C84AA458 96CF4D2F C5ABF872 45D9EADE 800005D4"
            )
        );
    }
}
