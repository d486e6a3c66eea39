// SPDX-License-Identifier: Apache-2.0

// What jemalloc asks for by this name. The environment's MALLOC_CONF comes after it.
//
// Freed memory of 8 MiB in a row goes back to the kernel at once by default, as that of a flushed
// memtable does: the next one faults it in again, page by page, on the committer's thread. Without
// the threshold it waits for the decay of ten seconds, as all else that is freed.
extern "C" {
extern const char* const malloc_conf;  // NOLINT(readability-identifier-naming): jemalloc's.
const char* const malloc_conf = "oversize_threshold:0";
}
