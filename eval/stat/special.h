/* Incomplete beta and gamma functions and the tails made of them, in double: to 1e-12, and where the value is above 1e-280 to ten digits, for
 * arguments between 1e-2 and 1e6 (beyond them not compared). Prefactors by the saddle point (Loader 2000, "Fast and accurate computation of
 * binomial probabilities"), so that large arguments lose nothing; beta's continued fraction is that of DiDonato and Morris (1992), gamma's Lentz's
 * (Numerical Recipes 6.2). An argument outside the domain gives NAN. */
#ifndef PT_EVAL_SPECIAL_H
#define PT_EVAL_SPECIAL_H

/* I_x(a, b), y = 1 - x given apart, so that neither end loses digits; a, b > 0, 0 <= x <= 1. */
double pt_beta_inc(double a, double b, double x, double y);
/* P(a, x) and Q(a, x) = 1 - P; a > 0, x >= 0. */
double pt_gamma_p(double a, double x);
double pt_gamma_q(double a, double x);

/* P(|Z| >= |z|) of a standard normal. */
double pt_normal_two_sided(double z);
/* P(|T| >= |t|) of Student's t with df > 0 degrees of freedom. */
double pt_student_two_sided(double t, double df);
/* P(X >= x) of chi-square with df > 0. */
double pt_chi2_upper(double x, double df);
/* P(X <= k) of n tosses with probability p. */
double pt_binomial_lower(double k, double n, double p);
#endif
