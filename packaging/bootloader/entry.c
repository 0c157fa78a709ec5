/* Where the executable starts: it chooses a folder to unpack into, and says in one line that it
 * found none.
 *
 * This takes the place of PyInstaller's own entry, which packaging/bootloader/install.py compiles
 * with the rest of its bootloader. That one unpacks below the system's folder for temporary files,
 * where cleaners take away what is older than some days: ours is the last resort to it. And where
 * nothing can be written to, it ends with a status and a message of its own kind.
 */

#ifndef _GNU_SOURCE
    #define _GNU_SOURCE /* for ST_NOEXEC */
#endif

#ifdef _WIN32
    #include <windows.h>
#else
    #include <errno.h>
    #include <sys/stat.h>
    #include <sys/statvfs.h>
    #include <unistd.h>
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pyi_main.h"
#include "pyi_utils.h"

/* What is unpacked, and something for what the next version brings. */
#define ROOM_MB 64

/* In the executable that is a directory everything lies in here, and nothing has to be unpacked;
 * pyinstaller.spec calls it so. */
#define PARTS "sitehub-parts"

#define WHOSE "sitehub"
#define UNPACKED "unpacked"

/* How PyInstaller calls the folder that it makes in the chosen one. */
#define OWN_FOLDER "_MEI"

/* The hub itself ends with 0 to 3, and has said why; its Python may not even start. */
#define HIGHEST_STATUS 3
/* That of the inner process where the bootloader fails in it: -1, as POSIX hands it on. */
#define STATUS_OF_THE_INNER 255

static const char TOO_FULL[] = "less than 64 MB free";

/* Each folder that was looked at, and what it lacks. */
static char looked_at[6 * PYI_PATH_MAX];

/* On Windows in UTF-8, as everything that is handed to PyInstaller. */
static char chosen[PYI_PATH_MAX];

static void
tell_of(const char *folder, const char *fault)
{
    size_t used = strlen(looked_at), left = sizeof(looked_at) - used;

    if ((size_t)snprintf(looked_at + used, left, "%s%s (%s)", used ? ", " : "", folder, fault) >= left) {
        looked_at[used] = '\0';
    }
}

/* The inner process was told where everything lies, and starts Python. */
static bool
is_told_where(void)
{
    char *folder = pyi_getenv("_PYI_APPLICATION_HOME_DIR");
    bool is_told = folder != NULL && folder[0] != '\0';

    free(folder);
    return is_told;
}

/* Once PyInstaller has begun: whether this is the process that unpacks, and waits for the other. */
static bool
is_outer(void)
{
    return global_pyi_ctx->is_onefile && global_pyi_ctx->process_level == PYI_PROCESS_LEVEL_PARENT;
}

#ifdef _WIN32

/* A command line that ends in * or ? is not to be expanded by the run-time of MinGW. */
extern int _CRT_glob;
int _CRT_glob = 0;

static bool
is_directory_build(void)
{
    wchar_t path[PYI_PATH_MAX];
    DWORD length = GetModuleFileNameW(NULL, path, PYI_PATH_MAX);
    wchar_t *name = length > 0 && length < PYI_PATH_MAX ? wcsrchr(path, L'\\') : NULL;

    if (name == NULL || name + sizeof(PARTS) + 1 >= path + PYI_PATH_MAX) {
        return false;
    }
    wcscpy(name + 1, L"" PARTS);
    return GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES;
}

static void
make_folders(wchar_t *path, size_t known)
{
    wchar_t *end;

    if (path[known] == L'\0') {
        return;
    }
    for (end = wcschr(path + known + 1, L'\\'); end != NULL; end = wcschr(end + 1, L'\\')) {
        *end = L'\0';
        CreateDirectoryW(path, NULL);
        *end = L'\\';
    }
    CreateDirectoryW(path, NULL);
}

/* NULL, or what is wrong with it. Rights are as the system counts them: only a try tells. */
static const char *
fault_of(const wchar_t *folder)
{
    wchar_t tried[MAX_PATH + 1];
    ULARGE_INTEGER free_bytes;

    if (GetTempFileNameW(folder, L"hub", 0, tried) == 0) {
        return "cannot be written to";
    }
    DeleteFileW(tried);
    if (GetDiskFreeSpaceExW(folder, &free_bytes, NULL, NULL)
            && free_bytes.QuadPart < (ULONGLONG)ROOM_MB << 20) {
        return TOO_FULL;
    }
    return NULL;
}

static bool
takes(const wchar_t *variable, const wchar_t *below)
{
    wchar_t folder[PYI_PATH_MAX];
    DWORD length = GetEnvironmentVariableW(variable, folder, PYI_PATH_MAX);
    const char *fault;

    if (length == 0 || length + wcslen(below) >= PYI_PATH_MAX) {
        return false;
    }
    wcscat(folder, below);
    make_folders(folder, length);
    fault = fault_of(folder);
    if (pyi_win32_wcs_to_utf8(folder, chosen, PYI_PATH_MAX) == NULL) {
        strcpy(chosen, "a folder");
        fault = "too long";
    }
    if (fault != NULL) {
        tell_of(chosen, fault);
    }
    return fault == NULL;
}

/* TMPDIR is nothing that Windows knows of: the service has it, and whoever needs another folder. */
static bool
choose_folder(void)
{
    return takes(L"TMPDIR", L"") || takes(L"LOCALAPPDATA", L"\\" WHOSE "\\" UNPACKED) || takes(L"TMP", L"");
}

/* A console that was opened for this program alone closes with it, and nobody has read anything. */
static void
let_it_be_read(void)
{
    DWORD processes[2];

    /* Whoever has closed it, has seen enough. */
    if (!global_pyi_ctx->console_shutdown && !global_pyi_ctx->session_shutdown
            && GetConsoleProcessList(processes, 2) == 1) {
        fputs("\nPress Enter to close this window.\n", stderr);
        getchar();
    }
}

static void
say(const char *text)
{
    HANDLE console = GetStdHandle(STD_ERROR_HANDLE);
    wchar_t wide[sizeof(looked_at) + 512];
    DWORD mode, written;

    /* A console takes Chinese characters in this way alone. */
    if (GetConsoleMode(console, &mode) && pyi_win32_utf8_to_wcs(text, wide, sizeof(wide) / sizeof(wide[0]))) {
        WriteConsoleW(console, wide, (DWORD)wcslen(wide), &written, NULL);
    } else {
        fputs(text, stderr);
    }
}

#else /* ifdef _WIN32 */

static bool
is_directory_build(void)
{
    char path[PYI_PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof(PARTS) - 1);
    char *name;

    if (length <= 0) {
        return false;
    }
    path[length] = '\0';
    name = strrchr(path, '/');
    strcpy(name + 1, PARTS);
    return access(path, F_OK) == 0;
}

static void
make_folder(const char *path)
{
    /* Whoever root becomes later must come through, whatever its umask says. */
    bool is_root = geteuid() == 0;

    if (mkdir(path, is_root ? 0755 : 0700) == 0 && is_root && chmod(path, 0755) != 0) {
        rmdir(path);
    }
}

/* What is missing of it beyond the length of what is known. */
static void
make_folders(char *path, size_t known)
{
    char *end;

    if (path[known] == '\0') {
        return;
    }
    for (end = strchr(path + known + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
        *end = '\0';
        make_folder(path);
        *end = '/';
    }
    make_folder(path);
}

/* NULL, or why root does not unpack below this folder, as it is without what is around it. */
static const char *
fault_for_root(const char *folder)
{
    struct stat found;

    if (stat(folder, &found) != 0) {
        return strerror(errno);
    }
    if (found.st_uid != 0 || ((found.st_mode & (S_IWGRP | S_IWOTH)) && !(found.st_mode & S_ISVTX))) {
        /* Somebody else could put another program there, and root would start it. */
        return "not root's alone to change";
    }
    if (!(found.st_mode & S_IXOTH)) {
        /* Root becomes the owner of the data later, and still has to read the program then. */
        return "for root alone to enter";
    }
    return NULL;
}

/* The same of it and of all that it lies in: whoever may change one of them has the rest. */
static const char *
fault_on_the_way(char *path)
{
    const char *fault = fault_for_root(path);
    char *end;

    for (end = strchr(path + 1, '/'); fault == NULL && end != NULL; end = strchr(end + 1, '/')) {
        *end = '\0';
        fault = fault_for_root(path);
        *end = '/';
    }
    return fault;
}

/* NULL, or what is wrong with it. */
static const char *
fault_of(char *folder)
{
    const char *fault;
    struct statvfs disk;

    if (access(folder, W_OK | X_OK) != 0 || statvfs(folder, &disk) != 0) {
        return strerror(errno);
    }
    if (geteuid() == 0 && (fault = fault_on_the_way(folder)) != NULL) {
        return fault;
    }
    if (disk.f_flag & ST_NOEXEC) {
        return "programs may not run from it";
    }
    /* Some disks of others do not say how large they are. */
    if (disk.f_blocks > 0 && (unsigned long long)disk.f_bavail * disk.f_frsize < (unsigned long long)ROOM_MB << 20) {
        return TOO_FULL;
    }
    return NULL;
}

static bool
lead_to_its_end(char *path)
{
    char *end = realpath(path, NULL);
    bool is_there = end != NULL && strlen(end) < PYI_PATH_MAX;

    if (is_there) {
        strcpy(path, end);
    }
    free(end);
    return is_there;
}

/* Nothing is made in `folder` where it takes nothing, and `folder` itself never. */
static bool
takes(const char *folder, const char *below)
{
    const char *fault = NULL;

    if (folder == NULL || folder[0] != '/' || strlen(folder) + strlen(below) >= sizeof(chosen)) {
        return false;
    }
    strcat(strcpy(chosen, folder), below);
    if (access(chosen, F_OK) != 0) {
        fault = fault_of(strcpy(chosen, folder));
    }
    if (fault == NULL) {
        strcat(strcpy(chosen, folder), below);
        make_folders(chosen, strlen(folder));
        /* A link on the way may lead elsewhere a moment later. */
        fault = lead_to_its_end(chosen) ? fault_of(chosen) : strerror(errno);
    }
    if (fault != NULL) {
        tell_of(chosen, fault);
    }
    return fault == NULL;
}

/* The last two are swept; hub/frozen.py holds what lies there, and keeps it young. */
static bool
choose_folder(void)
{
    static const char below_cache[] = "/" WHOSE "/" UNPACKED;
    /* What root keeps at home, no other user can read. */
    bool is_root = geteuid() == 0;

    return takes(getenv("TMPDIR"), "")
           || (is_root && takes("/var/cache", below_cache))
           || (!is_root && takes(getenv("XDG_CACHE_HOME"), below_cache))
           || (!is_root && takes(getenv("HOME"), "/.cache/" WHOSE "/" UNPACKED))
           || takes("/var/tmp", "") || takes("/tmp", "");
}

static void
let_it_be_read(void)
{
}

static void
say(const char *text)
{
    fputs(text, stderr);
}

#endif /* ifdef _WIN32 */

/* Whoever gave arguments is at a command line, which is in English. */
static void
say_that_nothing_takes_it(bool was_clicked)
{
    char text[sizeof(looked_at) + 512];

    snprintf(text, sizeof(text), "sitehub: nowhere to unpack to: %s; set TMPDIR to a folder that takes %d MB\n%s",
             looked_at, ROOM_MB,
             was_clicked ? "sitehub 没有启动：找不到可以解压程序的文件夹，请释放磁盘空间，或将 TMPDIR 设为可写的文件夹。\n" : "");
    say(text);
}

/* Where PyInstaller fails while it unpacks, it leaves what it has unpacked. */
static void
remove_half_of_it(void)
{
    const char *folder = global_pyi_ctx->application_home_dir;
    const char *name = strrchr(folder, PYI_SEP);

    /* Until it has made a folder of its own, this may be the one around it. */
    if (name != NULL && strncmp(name + 1, OWN_FOLDER, strlen(OWN_FOLDER)) == 0) {
        pyi_recursive_rmdir(folder);
    }
}

/* What PyInstaller could not do, it has said itself. */
static int
end(int status, bool was_clicked)
{
    if (!is_outer()) {
        return status;
    }
    if (status == -1) {
        remove_half_of_it();
    }
    if (was_clicked && (status < 0 || status > HIGHEST_STATUS)) {
        let_it_be_read();
    }
    return status == -1 || status == STATUS_OF_THE_INNER ? 1 : status;
}

static int
start(bool was_clicked)
{
    if (!is_directory_build()) {
        if (choose_folder()) {
            global_pyi_ctx->runtime_tmpdir = chosen;
        } else if (!is_told_where()) {
            say_that_nothing_takes_it(was_clicked);
            if (was_clicked) {
                let_it_be_read();
            }
            return 1;
        }
    }
    return end(pyi_main(global_pyi_ctx), was_clicked);
}

#ifdef _WIN32

int
wmain(int argc, wchar_t **argv)
{
    global_pyi_ctx->argc = argc;
    global_pyi_ctx->argv_w = argv;
    return start(argc == 1);
}

#else

int
main(int argc, char **argv)
{
    global_pyi_ctx->argc = argc;
    global_pyi_ctx->argv = argv;
    return start(argc == 1);
}

#endif
