/* Two days in minutes: loaded into the service (LD_PRELOAD), it sets the clock forward whenever nothing is done.
 *
 * While any thread of the service works, or a program that it started runs, time passes as it does. When all threads
 * wait, the clock that they read is put to the end of the shortest of their waits, and that wait ends. So every pass
 * really happens, one after another, and nothing is ever "late" as it would be with a clock that only runs faster.
 * Other processes keep the real clock. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define SLICE (SECOND / 200)
#define MOST 64

static int64_t ahead; /* so far the clock was set forward, in nanoseconds */
static int64_t ends[MOST]; /* when the waits under way end, by the monotonic clock that is set forward; 0: none */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The real system call, as the C library's own function for it is ours now. */
static long call(long number, long a, long b, long c, long d, long e, long f) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static int64_t nanoseconds(const struct timespec *t) { return t->tv_sec * SECOND + t->tv_nsec; }

static struct timespec timespec(int64_t n) {
    return (struct timespec){.tv_sec = n / SECOND, .tv_nsec = n % SECOND};
}

static int64_t real(clockid_t clock) {
    struct timespec t;
    call(SYS_clock_gettime, clock, (long)&t, 0, 0, 0, 0);
    return nanoseconds(&t);
}

static int is_wall_or_steady(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME
        || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
}

static int64_t now(clockid_t clock) {
    return real(clock) + (is_wall_or_steady(clock) ? __atomic_load_n(&ahead, __ATOMIC_SEQ_CST) : 0);
}

int clock_gettime(clockid_t clock, struct timespec *t) {
    *t = timespec(now(clock));
    return 0;
}

int gettimeofday(struct timeval *t, void *zone) {
    (void)zone;
    int64_t n = now(CLOCK_REALTIME);
    *t = (struct timeval){.tv_sec = n / SECOND, .tv_usec = n % SECOND / 1000};
    return 0;
}

time_t time(time_t *t) {
    time_t n = now(CLOCK_REALTIME) / SECOND;
    if (t) *t = n;
    return n;
}

static int read_small(const char *path, char *into, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t got = read(file, into, size - 1);
    close(file);
    into[got > 0 ? got : 0] = 0;
    return got > 0;
}

/* True if every other thread sleeps and no program that was started runs. */
static int nothing_is_done(void) {
    long me = call(SYS_gettid, 0, 0, 0, 0, 0, 0);
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return 0;
    int idle = 1;
    struct dirent *entry;
    while (idle && (entry = readdir(tasks))) {
        long task = atol(entry->d_name);
        char path[64], text[512];
        if (task <= 0) continue;
        snprintf(path, sizeof path, "/proc/self/task/%ld/children", task);
        if (read_small(path, text, sizeof text)) idle = 0;
        snprintf(path, sizeof path, "/proc/self/task/%ld/stat", task);
        if (task != me && read_small(path, text, sizeof text)) {
            char *end = strrchr(text, ')');
            if (!end || end[2] != 'S') idle = 0;
        }
    }
    closedir(tasks);
    return idle;
}

static int enter(int64_t end) {
    int slot = 0;
    pthread_mutex_lock(&lock);
    while (slot < MOST - 1 && ends[slot]) slot++;
    ends[slot] = end;
    pthread_mutex_unlock(&lock);
    return slot;
}

static void leave(int slot) {
    pthread_mutex_lock(&lock);
    ends[slot] = 0;
    pthread_mutex_unlock(&lock);
}

static void skip(void) {
    pthread_mutex_lock(&lock);
    int64_t first = 0, at = now(CLOCK_MONOTONIC);
    for (int slot = 0; slot < MOST; slot++)
        if (ends[slot] && (!first || ends[slot] < first)) first = ends[slot];
    if (first > at) __atomic_add_fetch(&ahead, first - at, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&lock);
}

/* Waits on a futex until `end`, in slices; what the kernel would answer. */
static long wait_until(uint32_t *word, int flags, uint32_t expected, uint32_t bits, int64_t end) {
    int slot = enter(end);
    long result;
    for (;;) {
        int64_t left = end - now(CLOCK_MONOTONIC);
        if (left <= 0) {
            result = __atomic_load_n(word, __ATOMIC_SEQ_CST) == expected ? -ETIMEDOUT : -EAGAIN;
            break;
        }
        struct timespec until = timespec(real(CLOCK_MONOTONIC) + (left < SLICE ? left : SLICE));
        result = call(SYS_futex, (long)word, FUTEX_WAIT_BITSET | flags, expected, (long)&until, 0, bits);
        if (result != -ETIMEDOUT) break;
        if (nothing_is_done()) skip();
    }
    leave(slot);
    return result;
}

long syscall(long number, ...) {
    va_list list;
    va_start(list, number);
    long a[6];
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    long result;
    int operation = number == SYS_futex ? (int)a[1] & FUTEX_CMD_MASK : -1;
    if ((operation == FUTEX_WAIT_BITSET || operation == FUTEX_WAIT) && a[3]) {
        int64_t end = nanoseconds((struct timespec *)a[3]);
        uint32_t bits = operation == FUTEX_WAIT ? FUTEX_BITSET_MATCH_ANY : (uint32_t)a[5];
        if (operation == FUTEX_WAIT) end += now(CLOCK_MONOTONIC);
        result = wait_until((uint32_t *)a[0], (int)a[1] & FUTEX_PRIVATE_FLAG, (uint32_t)a[2], bits, end);
    } else {
        result = call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *rest) {
    (void)rest;
    static uint32_t never = 0;
    int64_t end = nanoseconds(t);
    if (flags & TIMER_ABSTIME) end += now(CLOCK_MONOTONIC) - now(clock);
    else end += now(CLOCK_MONOTONIC);
    wait_until(&never, FUTEX_PRIVATE_FLAG, 0, FUTEX_BITSET_MATCH_ANY, end);
    return 0;
}

int nanosleep(const struct timespec *t, struct timespec *rest) {
    return clock_nanosleep(CLOCK_MONOTONIC, 0, t, rest);
}
