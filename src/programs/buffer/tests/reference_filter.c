/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
#include <ctype.h>
#include <stdlib.h>

#include "reference_filter.h"

#define DIGITS	38

/* A number as its digits: 0.DIGITS times ten to the exponent. */
struct digits {
	bool negative;
	char digits[DIGITS + 1];	/* with zeros behind; all zeros: it is zero */
	long long exponent;
};

/* The part of a number that matches a pattern of so many characters is what strspn() says; text has no zero bytes then. */
static bool
reference_digits(struct text text, struct digits *number)
{
	char copy[66000], *at = copy, *point, *end, all[66000];
	size_t before, after = 0, zeros, count;

	if (text.bytes >= sizeof(copy) || memchr(text.at, 0, text.bytes) != NULL) {
		return false;
	}
	memcpy(copy, text.at, text.bytes);
	copy[text.bytes] = '\0';
	number->negative = *at == '-';
	at += *at == '-' || *at == '+';
	before = strspn(at, "0123456789");
	memcpy(all, at, before);
	point = at + before;
	if (*point == '.') {
		after = strspn(point + 1, "0123456789");
		memcpy(all + before, point + 1, after);
		point += 1 + after;
	}
	all[before + after] = '\0';
	if (before + after == 0) {
		return false;
	}
	number->exponent = before;
	if (*point == 'e' || *point == 'E') {
		char *first = point + 1 + (point[1] == '-' || point[1] == '+');
		long long exponent;

		if (!isdigit((unsigned char)*first) || first[strspn(first, "0123456789")] != '\0') {
			return false;
		}
		first += strspn(first, "0");
		exponent = strlen(first) > 11 ? 100000000000 : strtoll(first, &end, 10);
		exponent = exponent > 10000000000 ? 10000000000 : exponent;
		number->exponent += point[1] == '-' ? -exponent : exponent;
	} else if (*point != '\0') {
		return false;
	}
	zeros = strspn(all, "0");
	number->exponent -= zeros;
	count = strlen(all + zeros);
	memset(number->digits, '0', DIGITS);
	number->digits[DIGITS] = '\0';
	memcpy(number->digits, all + zeros, count < DIGITS ? count : DIGITS);
	if (count == 0) {
		number->exponent = 0;
		number->negative = false;
	}
	return true;
}

static int
reference_compare_digits(const struct digits *a, const struct digits *b)
{
	bool a_zero = a->digits[0] == '0', b_zero = b->digits[0] == '0';
	int order;

	if (a_zero || b_zero) {
		return (a_zero ? 0 : a->negative ? -1 : 1) - (b_zero ? 0 : b->negative ? -1 : 1);
	}
	if (a->negative != b->negative) {
		return a->negative ? -1 : 1;
	}
	order = a->exponent != b->exponent ? (a->exponent > b->exponent ? 1 : -1) : strcmp(a->digits, b->digits);
	return a->negative ? -order : order;
}

uint64_t
reference_wish(const struct job *job, struct wish *wish)
{
	const uint8_t *behind = (const uint8_t *)job->data + sizeof(wish->given);
	struct digits number;

	if (job->data_bytes < sizeof(wish->given)) {
		return CSD_PROGRAM_DATA_SHORT;
	}
	memcpy(&wish->given, job->data, sizeof(wish->given));
	if (job->data_bytes < sizeof(wish->given) + wish->given.name_bytes + wish->given.operand_bytes) {
		return CSD_PROGRAM_DATA_SHORT;
	}
	wish->name = (struct text) {behind, wish->given.name_bytes};
	wish->operand = (struct text) {behind + wish->given.name_bytes, wish->given.operand_bytes};
	if (wish->given.keep > 7 || wish->given.as > 1 || wish->given.flags > 1 || wish->given.reserved != 0 ||
	    (wish->given.field != 0 && wish->name.bytes != 0)) {
		return CSD_PROGRAM_DATA_VALUE;
	}
	if (wish->given.as == CSD_AS_NUMBER && (wish->operand.bytes > 64 || !reference_digits(wish->operand, &number))) {
		return CSD_PROGRAM_DATA_VALUE;
	}
	return 0;
}

enum verdict
reference_compare(const struct wish *wish, struct text field)
{
	uint64_t bytes = field.bytes < wish->operand.bytes ? field.bytes : wish->operand.bytes;
	int order;

	if (wish->given.as == CSD_AS_NUMBER) {
		struct digits a, b;

		if (!reference_digits(field, &a) || !reference_digits(wish->operand, &b)) {
			return VERDICT_NOT_COMPARABLE;
		}
		order = reference_compare_digits(&a, &b);
	} else {
		order = bytes > 0 ? memcmp(field.at, wish->operand.at, bytes) : 0;
		order = order != 0 ? order : field.bytes > bytes ? 1 : wish->operand.bytes > bytes ? -1 : 0;
	}
	return wish->given.keep & (order < 0 ? CSD_LESS : order > 0 ? CSD_GREATER : CSD_EQUAL) ? VERDICT_KEEP : VERDICT_DROP;
}

void
reference_count(struct csd_filter_state *state, enum verdict verdict, struct result *wanted, struct text record)
{
	state->records++;
	state->kept += verdict == VERDICT_KEEP;
	state->missing += verdict == VERDICT_MISSING;
	state->malformed += verdict == VERDICT_MALFORMED;
	state->not_comparable += verdict == VERDICT_NOT_COMPARABLE;
	if (verdict == VERDICT_KEEP) {
		result_append(wanted, record.at, record.bytes);
	}
}
