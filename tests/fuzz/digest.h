/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef FUZZ_DIGEST_H
#define FUZZ_DIGEST_H

#include <stddef.h>
#include <stdint.h>

/* CRC32C, as NVMe/TCP's digests are. */
uint32_t digest(const void *bytes, size_t length);

#endif
