/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <stdio.h>
#include <string.h>

#include "chance.h"
#include "lineitem.h"
#include "samples.h"

void
sample_numbers(uint8_t *to, uint64_t bytes)
{
	chance_begin(11, 0);
	for (uint64_t at = 0; at < bytes; at += 8) {
		uint64_t word = chance() << 32 ^ chance();

		memcpy(to + at, &word, bytes - at < 8 ? bytes - at : 8);
	}
}

void
sample_packbits(uint8_t *to, uint64_t bytes)
{
	uint64_t at = 0;

	chance_begin(11, 1);
	while (at < bytes) {
		uint64_t left = bytes - at, length = below(4) == 0 ? 127 : 1 + below(40);

		if (below(30) == 0) {
			to[at++] = 128;
		} else if (below(2) == 0 && left >= 2) {
			to[at++] = 256 - length;
			to[at++] = below(3) == 0 ? chance() : 0;
		} else {
			length = length < left ? length : left - 1;
			to[at++] = length == 0 ? 128 : length - 1;
			for (uint64_t i = 0; i < length; i++) {
				to[at++] = chance();
			}
		}
	}
}

void
sample_sales(uint8_t *to, uint64_t bytes)
{
	chance_begin(11, 2);
	for (uint64_t at = 0; at < bytes; at += 16) {
		uint64_t limit = 1ULL << below(12);
		uint64_t sale[2] = {0x5eed000000000000ULL + below(limit) * 977, below(100000) - 5000};

		memcpy(to + at, sale, bytes - at < 16 ? bytes - at : 16);
	}
}

#define START_DAY	8035	/* 1992-01-01 */
#define END_DAY		10591	/* 1998-12-31 */
#define CURRENT_DAY	9298	/* 1995-06-17 */
#define PARTS		200000
#define SUPPLIERS	10000

static void
sample_text(uint8_t *to, uint64_t bytes, const char *text)
{
	memset(to, 0, bytes);
	memcpy(to, text, strlen(text));
}

static struct csd_lineitem
sample_line(uint64_t order, uint32_t number, uint32_t order_day)
{
	static const char *const instructs[] = {"DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"};
	static const char *const modes[] = {"REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"};
	struct csd_lineitem line = {0};
	uint64_t part = 1 + below(PARTS), quantity = 1 + below(50);

	line.orderkey = order / 8 * 32 + order % 8 + 1;
	line.partkey = part;
	line.suppkey = (part + below(4) * (SUPPLIERS / 4 + (part - 1) / SUPPLIERS)) % SUPPLIERS + 1;
	line.linenumber = number;
	line.quantity = quantity * 100;
	line.extendedprice = quantity * (90000 + part / 10 % 20001 + 100 * (part % 1000));
	line.discount = below(11);
	line.tax = below(9);
	line.shipdate = order_day + 1 + below(121);
	line.commitdate = order_day + 30 + below(61);
	line.receiptdate = line.shipdate + 1 + below(30);
	line.returnflag = line.receiptdate <= CURRENT_DAY ? "RA"[below(2)] : 'N';
	line.linestatus = line.shipdate > CURRENT_DAY ? 'O' : 'F';
	sample_text(line.shipinstruct, sizeof(line.shipinstruct), instructs[below(4)]);
	sample_text(line.shipmode, sizeof(line.shipmode), modes[below(7)]);
	sample_text(line.comment, sizeof(line.comment), "carefully final deposits detect slyly");
	return line;
}

void
sample_lineitem(uint8_t *to, uint64_t bytes)
{
	uint64_t at = 0;

	chance_begin(11, 3);
	for (uint64_t order = 0; at < bytes; order++) {
		uint32_t day = START_DAY + below(END_DAY - 151 - START_DAY + 1), lines = 1 + below(7);

		for (uint32_t number = 1; number <= lines && at < bytes; number++, at += sizeof(struct csd_lineitem)) {
			struct csd_lineitem line = sample_line(order, number, day);

			memcpy(to + at, &line, bytes - at < sizeof(line) ? bytes - at : sizeof(line));
		}
	}
}

/* --- text --- */

/* A line, or the begin of it where no more fits. */
static uint64_t
sample_put(uint8_t *to, uint64_t left, const char *line)
{
	uint64_t bytes = strlen(line);

	bytes = bytes < left ? bytes : left;
	memcpy(to, line, bytes);
	return bytes;
}

void
sample_log(uint8_t *to, uint64_t bytes)
{
	static const char *const levels[] = {"INFO", "INFO", "INFO", "INFO", "DEBUG", "DEBUG", "WARN", "ERROR"};
	static const char *const messages[] = {
		"request served in %u ms", "connection to 10.0.%u.7 refused", "user %u logged in from Z\xc3\xbcrich",
		"disk sd%u: write cache enabled", "timeout after %u ms, will try again", "compaction of segment %u finished, 81920 keys kept",
		"GET /api/v2/orders/%u HTTP/1.1 200", "heartbeat %u", "",
	};

	chance_begin(11, 4);
	for (uint64_t at = 0, second = 0; at < bytes; second += below(3)) {
		char message[128], line[256];

		snprintf(message, sizeof(message), messages[below(9)], (unsigned int)below(256));
		snprintf(line, sizeof(line), "2026-11-27T%02lu:%02lu:%02lu.%03luZ storage-%02lu nvmed[%lu]: %s %s%s\n", second / 3600 % 24,
			 second / 60 % 60, second % 60, below(1000), below(12), 900 + below(40), levels[below(8)], message,
			 below(50) == 0 ? "\r" : "");
		at += sample_put(to + at, bytes - at, below(60) == 0 ? "\n" : line);
	}
}

void
sample_csv(uint8_t *to, uint64_t bytes)
{
	static const char *const names[] = {"Smith", "\"Meyer, Jr.\"", "M\xc3\xbcller", "O'Brien", "\"Jo \"\"the boss\"\" Doe\"",
		"Nguyen", "Li"};
	static const char *const cities[] = {"Berlin", "New York", "\"Washington, D.C.\"", "Z\xc3\xbcrich", "Hanoi", "", "Lima"};
	static const char *const comments[] = {
		"", "", "ok", "leave at the door", "\"two\nlines\"", "\"first, second\"", "gift", "6\" pipe", "\"\"",
			"call before delivery please",
	};

	chance_begin(11, 5);
	for (uint64_t at = sample_put(to, bytes, "id,customer,city,amount,date,comment\n"), id = 1; at < bytes; id += 1 + below(3)) {
		char line[512];

		snprintf(line, sizeof(line), "%lu,%s,%s,%s%lu.%02lu,2026-%02lu-%02lu,%s%s\n", id,
			names[below(200) < 190 ? below(4) & ~1 : below(7)],
			 cities[below(20) > 0 ? below(2) : below(7)], below(12) == 0 ? "-" : "", below(5000), below(100), 1 + below(12),
			 1 + below(28), comments[below(below(8) == 0 ? 10 : 4)], below(300) == 0 ? "\r" : "");
		at += sample_put(to + at, bytes - at, below(400) == 0 ? "\n" : line);
	}
}

void
sample_json(uint8_t *to, uint64_t bytes)
{
	static const char *const levels[] = {"info", "info", "info", "debug", "warning", "error"};
	static const char *const names[] = {"Ada", "Bj\\u00f6rn", "Chlo\xc3\xa9", "\\ud83d\\ude00", "D. \\\"Dee\\\" Ray", "Eve"};

	chance_begin(11, 6);
	for (uint64_t at = 0, time = 1764259200000; at < bytes; time += below(2000)) {
		char line[512], value[32] = "null";

		if (below(10) > 0) {
			snprintf(value, sizeof(value), below(9) == 0 ? "%ld.%03lue%lu" : "%ld.%03lu", (long)below(3000) - 500, below(1000), below(4));
		}
		snprintf(line, sizeof(line), "{\"ts\":%lu,\"level\":\"%s\",%s\"user\":{\"id\":%lu,\"name\":\"%s\"},"
			 "\"tags\":[\"a\",{\"value\":1},[%lu]],"
			 "\"path\":\"/var/lib/data/segment-%06lu.log\"%s,\"value\":%s}%s\n", time, levels[below(6)], below(5) == 0 ? " " : "",
			 below(400), names[below(6)], below(10), below(1000000), below(9) == 0 ? ", \"retry\" : true" : "", value,
			 below(200) == 0 ? "\r" : "");
		at += sample_put(to + at, bytes - at, below(500) == 0 ? "\n" : line);
	}
}
