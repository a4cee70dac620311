/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0 */
/* Decimal numbers of text, compared without rounding: eBPF has no floating point, and money should see none. */
#ifndef DECIMAL_H
#define DECIMAL_H

#include <linux/types.h>

#define DECIMAL_WORD	19		/* digits that fit into 64 bits */
#define DECIMAL_LIMIT	10000000000LL	/* of an exponent */

/* sign * 0.DIGITS * 10^exponent; the first digit is not 0. */
struct decimal {
	__s64 sign;		/* -1, 0, 1; 0: the number is zero, and so is all else */
	__s64 exponent;
	__u64 high;		/* the first DECIMAL_WORD digits ... */
	__u64 low;		/* ... and the next ones, with zeros behind them */
};

static const __u64 decimal_powers[DECIMAL_WORD + 1] = {
	1ULL, 10ULL, 100ULL, 1000ULL, 10000ULL, 100000ULL, 1000000ULL, 10000000ULL, 100000000ULL, 1000000000ULL, 10000000000ULL,
	100000000000ULL, 1000000000000ULL, 10000000000000ULL, 100000000000000ULL, 1000000000000000ULL, 10000000000000000ULL,
	100000000000000000ULL, 1000000000000000000ULL, 10000000000000000000ULL,
};

/* [+-]DIGITS, with nothing behind. NULL: it is none. */
static inline const __u8 *decimal_exponent(const __u8 *at, const __u8 *end, __s64 *exponent)
{
	__s64 value = 0;
	int negative = at < end && *at == '-';

	at += at < end && (*at == '-' || *at == '+');
	if (at == end)
		return 0;
	for (; at < end; at++) {
		__u8 digit = *at - '0';

		if (digit > 9)
			return 0;
		value = value < DECIMAL_LIMIT ? value * 10 + digit : value;
	}
	value = value < DECIMAL_LIMIT ? value : DECIMAL_LIMIT;
	*exponent = negative ? -value : value;
	return at;
}

/* Whether all of it is a number: [+-] digits, with a point before, behind or between them, [e exponent]. */
static __attribute__((noinline)) int decimal_parse(const __u8 *at, const __u8 *end, struct decimal *number)
{
	__u64 high = 0, low = 0, count = 0, digits = 0, point = 0;
	__s64 sign = 1, exponent = 0, shift = 0;

	if (at < end && (*at == '-' || *at == '+'))
		sign = *at++ == '-' ? -1 : 1;
	for (; at < end; at++) {
		__u8 digit = *at - '0';

		if (digit > 9) {
			if (*at != '.' || point)
				break;
			point = 1;
			continue;
		}
		digits++;
		if (count == 0 && digit == 0) {
			exponent -= point;
			continue;
		}
		exponent += !point;
		if (count < DECIMAL_WORD)
			high = high * 10 + digit;
		else if (count < 2 * DECIMAL_WORD)
			low = low * 10 + digit;
		count++;
	}
	if (digits == 0)
		return 0;
	if (at < end && (*at | 0x20) == 'e')
		at = decimal_exponent(at + 1, end, &shift);
	if (at != end)
		return 0;
	number->sign = count == 0 ? 0 : sign;
	number->exponent = count == 0 ? 0 : exponent + shift;
	number->high = high * decimal_powers[count < DECIMAL_WORD ? DECIMAL_WORD - count : 0];
	count = count < DECIMAL_WORD ? 0 : count - DECIMAL_WORD;
	number->low = low * decimal_powers[count < DECIMAL_WORD ? DECIMAL_WORD - count : 0];
	return 1;
}

/* -1, 0, 1 */
static inline long decimal_compare(const struct decimal *a, const struct decimal *b)
{
	if (a->sign != b->sign)
		return a->sign < b->sign ? -1 : 1;
	if (a->exponent != b->exponent)
		return a->exponent < b->exponent ? -a->sign : a->sign;
	if (a->high != b->high)
		return a->high < b->high ? -a->sign : a->sign;
	if (a->low != b->low)
		return a->low < b->low ? -a->sign : a->sign;
	return 0;
}

#endif
