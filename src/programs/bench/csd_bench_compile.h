/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#ifndef CSD_BENCH_COMPILE_H
#define CSD_BENCH_COMPILE_H

/* A blob of the object, by `compiler`, which is csd_compile. Fails the bench where it makes none. */
void csd_bench_compile(const char *compiler, const char *object, const char *blob, double *wall_seconds, double *cpu_seconds);

#endif
