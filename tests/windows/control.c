/* What Wine's `sc` and `net` cannot do, for tests: control.exe stop | reload | account NAME | start-type NUMBER, of the service
 * host-watchdog. */
#include <windows.h>
#include <stdlib.h>
#include <wchar.h>

/* Stops it and waits until its process has ended, which is a moment after it says so. */
static int stop(SC_HANDLE service) {
    SERVICE_STATUS_PROCESS now;
    SERVICE_STATUS status;
    DWORD size;
    HANDLE process;
    if (!QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&now, sizeof now, &size)) return 4;
    if (now.dwCurrentState == SERVICE_STOPPED) return 0;
    process = OpenProcess(SYNCHRONIZE, FALSE, now.dwProcessId);
    if (!process) return 5;
    if (!ControlService(service, SERVICE_CONTROL_STOP, &status)) return 6;
    if (WaitForSingleObject(process, 60000) != WAIT_OBJECT_0) return 7;
    if (!QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&now, sizeof now, &size)) return 4;
    return now.dwCurrentState == SERVICE_STOPPED ? 0 : 8;
}

int wmain(int count, wchar_t **words) {
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE service = manager ? OpenServiceW(manager, L"host-watchdog", SERVICE_ALL_ACCESS) : NULL;
    SERVICE_STATUS status;
    if (!service) return 2;
    if (count == 2 && !wcscmp(words[1], L"stop")) return stop(service);
    if (count == 2 && !wcscmp(words[1], L"reload"))
        return ControlService(service, SERVICE_CONTROL_PARAMCHANGE, &status) ? 0 : 1;
    if (count == 3 && !wcscmp(words[1], L"account"))
        return ChangeServiceConfigW(service, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE, NULL, NULL, NULL,
                                    NULL, words[2], L"", NULL) ? 0 : 1;
    if (count == 3 && !wcscmp(words[1], L"start-type"))
        return ChangeServiceConfigW(service, SERVICE_NO_CHANGE, wcstoul(words[2], NULL, 10), SERVICE_NO_CHANGE, NULL, NULL,
                                    NULL, NULL, NULL, NULL, NULL) ? 0 : 1;
    return 3;
}
