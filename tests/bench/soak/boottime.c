/* Loaded by LD_PRELOAD before libfaketime, which leaves CLOCK_BOOTTIME alone when it is told to
 * leave the monotonic clock alone: here it runs $SOAK_RATE times as fast, like the wall clock.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

typedef int (*get_time)(clockid_t, struct timespec *);

static get_time next;
static double rate, start;

static double seconds(const struct timespec *time) { return time->tv_sec + time->tv_nsec / 1e9; }

__attribute__((constructor)) static void prepare(void) {
    struct timespec now;
    const char *text = getenv("SOAK_RATE");
    next = (get_time)dlsym(RTLD_NEXT, "clock_gettime");
    rate = text ? atof(text) : 1;
    if (!next(CLOCK_BOOTTIME, &now)) start = seconds(&now);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!next) prepare();
    int failed = next(clock, time);
    if (!failed && clock == CLOCK_BOOTTIME) {
        double now = start + (seconds(time) - start) * rate;
        time->tv_sec = (time_t)now;
        time->tv_nsec = (long)((now - (double)time->tv_sec) * 1e9);
    }
    return failed;
}
