/* Loaded into a hub by LD_PRELOAD: lets calls to the disk fail or hang, and records them.
 *
 * The file named by $DISK_CONTROL is mapped, and says what happens to which calls (struct control).
 * With $DISK_RECORD, every change below the directory $DISK_ROOT is appended to that file, in the
 * order in which it is made (struct entry, followed by its bytes); flushes are recorded only, not
 * made: a power failure is a model of the test, and the pages of the kernel are always read.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FLUSH = 1, READ = 2, WRITE = 4 };
enum { PASS, HANG, FAIL };

struct control {
    volatile uint32_t action; /* PASS, HANG or FAIL */
    volatile uint32_t calls;  /* FLUSH | READ | WRITE */
    volatile uint32_t error;  /* errno of FAIL */
    volatile uint32_t skip;   /* so many calls pass first */
    volatile uint32_t times;  /* then so many fail or hang */
    volatile uint32_t hits;   /* so many did */
    char path[232];           /* of files whose path contains this text */
};

enum { WROTE = 1, CUT, SYNCED, SYNC_FAILED, NAMED, UNNAMED, RENAMED, SYNCED_DIRECTORY };

struct entry {
    uint32_t kind, size; /* size: of the bytes that follow */
    uint64_t thread;
    uint64_t inode, offset;
};

static struct control *control;
static int record = -1;
static char root[1024];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("DISK_CONTROL");
    if (path) {
        int file = REAL(open)(path, O_RDWR | O_CLOEXEC);
        if (file >= 0) {
            void *found = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
            control = found == MAP_FAILED ? NULL : found;
            close(file);
        }
    }
    const char *below = getenv("DISK_ROOT");
    snprintf(root, sizeof root, "%s", below ? below : "");
    if ((path = getenv("DISK_RECORD")))
        record = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int path_of(int file, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, size - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0;
}

static int is_recorded_path(const char *path) {
    size_t length = strlen(root);
    if (record < 0 || !length || strncmp(path, root, length) || path[length] != '/') return 0;
    return !strstr(path, "/logs/") && !strstr(path, "-shm") && !strstr(path, "/hub.lock") &&
           !strstr(path, "/control.json");
}

static int is_recorded(int file) {
    char path[1024];
    return record >= 0 && path_of(file, path, sizeof path) &&
           (is_recorded_path(path) || !strcmp(path, root));
}

/* Return 1 with errno set if the call is to fail. */
static int disturbed(int file, uint32_t call) {
    char path[1024];
    if (!control || control->action == PASS || !(control->calls & call)) return 0;
    if (!path_of(file, path, sizeof path) || !strstr(path, control->path)) return 0;
    pthread_mutex_lock(&lock);
    int is_hit = 0;
    if (control->skip)
        control->skip--;
    else if (control->times) {
        control->times--;
        control->hits++;
        is_hit = 1;
    }
    pthread_mutex_unlock(&lock);
    if (!is_hit) return 0;
    if (control->action == FAIL) {
        errno = control->error;
        return 1;
    }
    while (control->action == HANG) {
        struct timespec second = {1, 0};
        nanosleep(&second, NULL);
    }
    return 0;
}

static void put(uint32_t kind, uint64_t inode, uint64_t offset, const struct iovec *parts, int count,
                size_t size) {
    struct entry entry = {kind, (uint32_t)size, gettid(), inode, offset};
    char *bytes = malloc(sizeof entry + size), *end = bytes + sizeof entry;
    size_t left = size;
    memcpy(bytes, &entry, sizeof entry);
    for (int i = 0; i < count && left; i++) {
        size_t part = parts[i].iov_len < left ? parts[i].iov_len : left;
        memcpy(end, parts[i].iov_base, part);
        end += part;
        left -= part;
    }
    if (REAL(write)(record, bytes, sizeof entry + size) < 0) abort();
    free(bytes);
}

static uint64_t inode_of(int file) {
    struct stat found;
    return fstat(file, &found) ? 0 : found.st_ino;
}

static void put_text(uint32_t kind, uint64_t inode, const char *text, size_t size) {
    struct iovec part = {(void *)text, size};
    put(kind, inode, 0, &part, 1, size);
}

/* Writes */

typedef ssize_t (*gathered)(int, const struct iovec *, int, off_t, int);

static ssize_t plain(int file, const struct iovec *parts, int count, off_t offset, int flags) {
    (void)flags;
    return REAL(pwritev)(file, parts, count, offset);
}

static ssize_t with_flags(int file, const struct iovec *parts, int count, off_t offset, int flags) {
    return REAL(pwritev2)(file, parts, count, offset, flags);
}

static ssize_t sequential(int file, const struct iovec *parts, int count, off_t offset, int flags) {
    (void)offset;
    (void)flags;
    return REAL(writev)(file, parts, count);
}

static off_t position(int file) {
    if (fcntl(file, F_GETFL) & O_APPEND) return lseek(file, 0, SEEK_END);
    return lseek(file, 0, SEEK_CUR);
}

static ssize_t write_recorded(int file, const struct iovec *parts, int count, off_t offset, int flags,
                              gathered call) {
    if (control && disturbed(file, WRITE)) return -1;
    if (record < 0 || file == record || !is_recorded(file))
        return call(file, parts, count, offset, flags);
    pthread_mutex_lock(&lock);
    off_t start = call == sequential ? position(file) : offset;
    ssize_t done = call(file, parts, count, offset, flags);
    if (done > 0) put(WROTE, inode_of(file), start, parts, count, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int file, const void *bytes, size_t size) {
    if (!control && record < 0) return REAL(write)(file, bytes, size);
    struct iovec part = {(void *)bytes, size};
    return write_recorded(file, &part, 1, 0, 0, sequential);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    return write_recorded(file, parts, count, 0, 0, sequential);
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t offset) {
    struct iovec part = {(void *)bytes, size};
    return write_recorded(file, &part, 1, offset, 0, plain);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off_t offset) {
    return pwrite(file, bytes, size, offset);
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    return write_recorded(file, parts, count, offset, 0, plain);
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off_t offset) {
    return pwritev(file, parts, count, offset);
}

ssize_t pwritev2(int file, const struct iovec *parts, int count, off_t offset, int flags) {
    return write_recorded(file, parts, count, offset, flags, with_flags);
}

ssize_t pwritev64v2(int file, const struct iovec *parts, int count, off_t offset, int flags) {
    return pwritev2(file, parts, count, offset, flags);
}

int ftruncate(int file, off_t size) {
    if (disturbed(file, WRITE)) return -1;
    int is_kept = is_recorded(file);
    if (is_kept) pthread_mutex_lock(&lock);
    int done = REAL(ftruncate)(file, size);
    if (is_kept) {
        if (!done) put(CUT, inode_of(file), size, NULL, 0, 0);
        pthread_mutex_unlock(&lock);
    }
    return done;
}

int ftruncate64(int file, off_t size) { return ftruncate(file, size); }

/* Flushes */

static int flush(int file, const char *name) {
    int fails = disturbed(file, FLUSH), error = errno, is_kept = is_recorded(file);
    if (!is_kept) return fails ? -1 : ((int (*)(int))real(name))(file);
    char path[1024];
    struct stat found;
    pthread_mutex_lock(&lock);
    if (!fstat(file, &found) && S_ISDIR(found.st_mode)) {
        path_of(file, path, sizeof path);
        if (!fails) put_text(SYNCED_DIRECTORY, found.st_ino, path, strlen(path));
    } else
        put(fails ? SYNC_FAILED : SYNCED, inode_of(file), 0, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return fails ? -1 : 0;
}

int fsync(int file) { return flush(file, "fsync"); }

int fdatasync(int file) { return flush(file, "fdatasync"); }

/* Reads */

ssize_t pread(int file, void *bytes, size_t size, off_t offset) {
    if (disturbed(file, READ)) return -1;
    return REAL(pread)(file, bytes, size, offset);
}

ssize_t pread64(int file, void *bytes, size_t size, off_t offset) {
    return pread(file, bytes, size, offset);
}

ssize_t read(int file, void *bytes, size_t size) {
    if (disturbed(file, READ)) return -1;
    return REAL(read)(file, bytes, size);
}

/* Names */

static int open_recorded(int directory, const char *path, int flags, mode_t mode) {
    char full[1024];
    int is_kept = 0, existed = 1;
    if (record >= 0 && (flags & (O_CREAT | O_TRUNC)) && path[0] == '/') {
        snprintf(full, sizeof full, "%s", path);
        is_kept = is_recorded_path(full);
    }
    if (is_kept) {
        pthread_mutex_lock(&lock);
        existed = !access(full, F_OK);
    }
    int file = REAL(openat)(directory, path, flags, mode);
    if (is_kept) {
        if (file >= 0 && !existed) put_text(NAMED, inode_of(file), full, strlen(full));
        if (file >= 0 && (flags & O_TRUNC)) put(CUT, inode_of(file), 0, NULL, 0, 0);
        pthread_mutex_unlock(&lock);
    }
    return file;
}

#define MODE(mode, flags)                            \
    mode_t mode = 0;                                 \
    if (flags & (O_CREAT | __O_TMPFILE)) {           \
        va_list more;                                \
        va_start(more, flags);                       \
        mode = va_arg(more, mode_t);                 \
        va_end(more);                                \
    }

int open(const char *path, int flags, ...) {
    MODE(mode, flags)
    return open_recorded(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(mode, flags)
    return open_recorded(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat(int directory, const char *path, int flags, ...) {
    MODE(mode, flags)
    return open_recorded(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
    MODE(mode, flags)
    return open_recorded(directory, path, flags | O_LARGEFILE, mode);
}

static int named(uint32_t kind, const char *path, const char *other, int done) {
    if (!done) {
        char text[2050];
        int size = snprintf(text, sizeof text, "%s%c%s", path, '\n', other ? other : "");
        put_text(kind, 0, text, size);
    }
    return done;
}

int unlink(const char *path) {
    if (!is_recorded_path(path)) return REAL(unlink)(path);
    pthread_mutex_lock(&lock);
    int done = named(UNNAMED, path, NULL, REAL(unlink)(path));
    pthread_mutex_unlock(&lock);
    return done;
}

int rename(const char *path, const char *other) {
    if (!is_recorded_path(path)) return REAL(rename)(path, other);
    pthread_mutex_lock(&lock);
    int done = named(RENAMED, path, other, REAL(rename)(path, other));
    pthread_mutex_unlock(&lock);
    return done;
}
