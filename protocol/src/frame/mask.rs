//! Masking, RFC 6455 section 5.3: `octet[i] ^= key[i mod 4]`.
//!
//! Safe code in 32-byte blocks of words, which the compiler turns into vector instructions.

/// Masks or unmasks `data` in place; `key` is aligned to the first byte of `data`.
#[inline]
pub fn apply(data: &mut [u8], key: [u8; 4]) {
    let word = u64::from(u32::from_ne_bytes(key));
    let word = word | word << 32;
    let (blocks, rest) = data.as_chunks_mut::<32>();
    for block in blocks {
        for lane in block.as_chunks_mut::<8>().0 {
            *lane = (u64::from_ne_bytes(*lane) ^ word).to_ne_bytes();
        }
    }
    let (lanes, rest) = rest.as_chunks_mut::<8>();
    for lane in lanes {
        *lane = (u64::from_ne_bytes(*lane) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// The key for the bytes that follow `used` already masked ones.
#[inline]
pub(super) fn rotate(mut key: [u8; 4], used: usize) -> [u8; 4] {
    key.rotate_left(used % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_split_follows_the_definition() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for len in 0..100usize {
            let plain: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let expected: Vec<u8> = plain.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
            for split in 0..=len {
                let mut data = plain.clone();
                let (head, tail) = data.split_at_mut(split);
                apply(head, key);
                apply(tail, rotate(key, split));
                assert_eq!(data, expected, "length {len}, split {split}");
            }
        }
    }
}
