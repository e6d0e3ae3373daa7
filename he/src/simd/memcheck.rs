//! What the constant-time check tells valgrind's memcheck: which bytes are secret and which have become public.
//!
//! Memcheck reports every branch and every address that depends on undefined bytes. Calling secrets undefined turns it into a
//! constant-time check (Langley 2010, "ctgrind"). With the feature `constant-time-check` off, both functions are empty.

/// From here on these bytes are secret: no branch and no address may depend on them.
#[inline(always)]
pub(crate) fn mark_secret(bytes: &[u8]) {
    client_request(1, bytes);
}

/// These bytes are no secret any more: they have been masked, or are meant to be seen.
#[inline(always)]
pub(crate) fn mark_public(bytes: &[u8]) {
    client_request(2, bytes);
}

/// Memcheck's request number `code` about those bytes (`valgrind/memcheck.h`: 1 makes them undefined, 2 defined).
#[cfg(all(feature = "constant-time-check", target_arch = "x86_64"))]
fn client_request(code: u64, bytes: &[u8]) {
    const MEMCHECK: u64 = (b'M' as u64) << 24 | (b'C' as u64) << 16;
    let request = [MEMCHECK + code, bytes.as_ptr() as u64, bytes.len() as u64, 0, 0, 0];
    // SAFETY: the rotations of rdi add up to 128 bits and the exchange is of a register with itself, so outside valgrind this does
    // nothing; valgrind recognises the sequence, reads the request at rax and answers in rdx.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") request.as_ptr(),
            inout("rdx") 0u64 => _,
            options(nostack),
        );
    }
}

#[cfg(not(all(feature = "constant-time-check", target_arch = "x86_64")))]
#[inline(always)]
fn client_request(_code: u64, _bytes: &[u8]) {}
