<#
.SYNOPSIS
Shows on a real Windows what Host Watchdog sees there, and collects it into a folder to send in.

.DESCRIPTION
Without -Install and -Play it only reads, and writes only into its own folder. Run it as an administrator; else it says what it could
not see. What it collects names processes, accounts, ports and logins of this machine: look through it before you send it.

.PARAMETER Msi
The installer. Needed with -Install.

.PARAMETER Install
Install it, with mails into a folder and without observing, unless it is installed already.

.PARAMETER Play
Make the five alarms: a process from a folder of users, a listening port, a failed login, a web request of a strange method (only
where IIS answers), a service. Each is taken away again. Use a machine that is there for trying.

.PARAMETER Remove
Remove it at the end, with settings, policy and state, if this script has installed it.

.EXAMPLE
powershell -ExecutionPolicy Bypass -File see.ps1
powershell -ExecutionPolicy Bypass -File see.ps1 -Msi .\host-watchdog-0.1.0-x64.msi -Install -Play -Remove
#>
[CmdletBinding()]
param(
    [string]$Msi,
    [switch]$Install,
    [switch]$Play,
    [switch]$Remove
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$out = Join-Path (Get-Location) ("host-watchdog-seen-{0:yyyyMMdd-HHmmss}" -f (Get-Date))
New-Item -ItemType Directory -Path $out | Out-Null
$program = Join-Path $env:ProgramFiles 'Host Watchdog\watchdog.exe'
$data = Join-Path $env:ProgramData 'Host Watchdog'
$installedHere = $false
$isAdministrator = ([Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()).IsInRole(
    [Security.Principal.WindowsBuiltInRole]::Administrator)

# Runs something and keeps all it says, also that it failed: that is what is to be seen.
function Save($name, [scriptblock]$what) {
    $file = Join-Path $out "$name.txt"
    $began = Get-Date
    Write-Host "  $name"
    try {
        $global:LASTEXITCODE = 0
        $ErrorActionPreference = 'Continue'
        & $what 2>&1 | Out-String -Width 300 | Set-Content -Encoding UTF8 $file
        $end = "exit code $LASTEXITCODE"
    } catch {
        $end = "FAILED: $_"
    }
    Add-Content -Encoding UTF8 $file "`r`n--- $end, $([int]((Get-Date) - $began).TotalMilliseconds) ms"
}

# Waits for an alert whose line holds this text.
function Wait-Alert($name, $text, $seconds = 150) {
    $until = (Get-Date).AddSeconds($seconds)
    $began = Get-Date
    do {
        Start-Sleep -Seconds 3
        $lines = (& $program alerts 2>&1 | Out-String)
        if ($lines -match [regex]::Escape($text)) {
            $line = "{0}: seen after {1} s" -f $name, [int]((Get-Date) - $began).TotalSeconds
            Write-Host "  $line"
            Add-Content -Encoding UTF8 (Join-Path $out 'alarms.txt') $line
            return
        }
    } while ((Get-Date) -lt $until)
    Write-Host "  ${name}: NOT SEEN"
    Add-Content -Encoding UTF8 (Join-Path $out 'alarms.txt') "${name}: NOT SEEN within $seconds s, looked for '$text'"
}

if (-not $isAdministrator) { Write-Warning 'You are no administrator here: much will be missing.' }

if ($Install -and -not (Test-Path $program)) {
    if (-not $Msi) { throw 'Which installer? -Msi FILE' }
    if (-not $isAdministrator) { throw 'Installing needs an administrator.' }
    Write-Host 'Installing'
    $log = Join-Path $out 'install.log'
    $done = Start-Process msiexec.exe -Wait -PassThru -ArgumentList @('/i', "`"$((Resolve-Path $Msi).Path)`"", '/qn', '/l*v', "`"$log`"", 'OBSERVE=none')
    Add-Content -Encoding UTF8 (Join-Path $out 'alarms.txt') "msiexec: exit code $($done.ExitCode)"
    if ($done.ExitCode -ne 0) { throw "The installer ended with $($done.ExitCode); see $log" }
    $installedHere = $true
    # The first policy may take some minutes.
    $until = (Get-Date).AddMinutes(15)
    while (-not (Test-Path (Join-Path $data 'policy.toml')) -and (Get-Date) -lt $until) { Start-Sleep -Seconds 2 }
    Start-Sleep -Seconds 90
}
if (-not (Test-Path $program)) { throw "$program is not there: install it, or use -Install" }

Write-Host 'Reading'
Save 'windows' { Get-ComputerInfo | Select-Object WindowsProductName, WindowsVersion, OsBuildNumber, OsHardwareAbstractionLayer, CsPartOfDomain }
Save 'signature' { Get-AuthenticodeSignature $program | Format-List }
Save 'program' { (Get-Item $program).VersionInfo | Format-List *; & $program --version }
Save 'service' {
    foreach ($what in 'qc', 'qfailure', 'qfailureflag', 'qsidtype', 'qprivs', 'sdshow') { sc.exe $what host-watchdog }
    sc.exe queryex host-watchdog
    sc.exe showsid host-watchdog
    Get-ItemProperty 'HKLM:\SYSTEM\CurrentControlSet\Services\host-watchdog'
}
Save 'rights' {
    icacls $data /t
    foreach ($path in $data, (Join-Path $data 'State')) { Get-Acl $path | Format-List Path, Owner, Sddl }
    icacls (Split-Path $program)
}
Save 'privileges' {
    $service = Get-CimInstance Win32_Service -Filter "Name = 'host-watchdog'"
    Get-Process -Id $service.ProcessId | Format-List Id, StartTime, WorkingSet64, HandleCount, TotalProcessorTime
}
Save 'validate' { & $program validate }
Save 'status' { & $program status }
Save 'alerts' { & $program alerts }
Save 'metrics' { & $program metrics }
Save 'check' { & $program check }
Save 'facts' { & $program snapshot --facts }
Save 'policy' { & $program snapshot --ready-made }
Save 'events' {
    Get-WinEvent -FilterHashtable @{ LogName = 'Application'; ProviderName = 'Host Watchdog' } -MaxEvents 200 |
        Format-List TimeCreated, Id, LevelDisplayName, Message
}
# What Windows itself says, to hold beside the facts.
Save 'beside-processes' {
    Get-CimInstance Win32_Process | Sort-Object ProcessId | ForEach-Object {
        $owner = Invoke-CimMethod -InputObject $_ -MethodName GetOwner -ErrorAction SilentlyContinue
        $who = if ($owner -and $owner.User) { "$($owner.Domain)\$($owner.User)" } else { '?' }
        '{0}  {1}  {2}  {3}' -f $_.ProcessId, $_.ParentProcessId, $who, $_.CommandLine
    }
}
Save 'beside-listeners' { netstat -abno -p TCP; netstat -abno -p UDP }
Save 'beside-sessions' { quser }
Save 'beside-logins' {
    Get-WinEvent -FilterHashtable @{ LogName = 'Security'; Id = 4624, 4625, 4648, 4720, 4732, 1102 } -MaxEvents 50 |
        Format-List TimeCreated, Id, Message
}
Save 'beside-updates' {
    $search = (New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher()
    $search.Online = $false
    $search.Search('IsInstalled=0 and IsHidden=0').Updates | ForEach-Object { $_.Title }
}
Save 'beside-protection' { Get-NetFirewallProfile | Format-List Name, Enabled, DefaultInboundAction; Get-MpComputerStatus }
Save 'beside-accounts' { Get-LocalUser; Get-LocalGroupMember -SID S-1-5-32-544 }

if ($Play) {
    if (-not $isAdministrator) { throw 'Playing the alarms needs an administrator.' }
    Write-Host 'Playing the five alarms; each may take two minutes'
    $folder = Join-Path $env:PUBLIC 'host-watchdog-alarm'
    New-Item -ItemType Directory -Force -Path $folder | Out-Null
    $agent = Join-Path $folder 'x11-agent.exe'
    $process = $null
    $listener = $null
    try {
        Copy-Item "$env:SystemRoot\System32\ping.exe" $agent
        $process = Start-Process $agent -ArgumentList '-n', '600', '127.0.0.1' -PassThru -WindowStyle Hidden
        Wait-Alert 'a process' 'x11-agent'

        $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Any, 47811)
        $listener.Start()
        Wait-Alert 'a listening port' '47811'

        $name = 'nobody-' + (Get-Random -Maximum 9999)
        $wrong = New-Object Management.Automation.PSCredential($name, (ConvertTo-SecureString 'wrong' -AsPlainText -Force))
        foreach ($try in 1..12) {
            try { Start-Process cmd.exe -Credential $wrong -ArgumentList '/c exit' -ErrorAction Stop } catch { }
        }
        Wait-Alert 'failed logins' 'failed'

        if (Get-Service W3SVC -ErrorAction SilentlyContinue) {
            foreach ($try in 1..3) {
                try { Invoke-WebRequest -UseBasicParsing -Method Delete "http://127.0.0.1/host-watchdog-alarm" } catch { }
            }
            Wait-Alert 'a web request' 'DELETE' 300
        }

        sc.exe create host-watchdog-alarm binPath= "$agent -n 600 127.0.0.1" start= auto | Out-Null
        Wait-Alert 'a service' 'host-watchdog-alarm' 300
    } finally {
        sc.exe delete host-watchdog-alarm 2>&1 | Out-Null
        if ($listener) { $listener.Stop() }
        if ($process) { $process | Stop-Process -Force -ErrorAction SilentlyContinue }
        Start-Sleep -Seconds 1
        Remove-Item -Recurse -Force $folder -ErrorAction SilentlyContinue
    }
    Save 'alerts-after' { & $program alerts --json }
    Save 'mails-after' { Get-ChildItem (Join-Path $data 'State\mails') -ErrorAction SilentlyContinue | ForEach-Object { Get-Content $_.FullName } }
    Save 'events-after' {
        Get-WinEvent -FilterHashtable @{ LogName = 'Application'; ProviderName = 'Host Watchdog' } -MaxEvents 60 |
            Format-List TimeCreated, Id, LevelDisplayName, Message
    }
    Write-Host 'Stopping, starting, killing'
    Save 'stop' { Measure-Command { Stop-Service host-watchdog }; & $program status; Measure-Command { Start-Service host-watchdog } }
    Save 'killed' {
        $before = (Get-CimInstance Win32_Service -Filter "Name = 'host-watchdog'").ProcessId
        Stop-Process -Id $before -Force
        Start-Sleep -Seconds 80
        $after = (Get-CimInstance Win32_Service -Filter "Name = 'host-watchdog'").ProcessId
        "process $before was killed, process $after runs now: $(if ($after -and $after -ne $before) { 'started again' } else { 'NOT STARTED AGAIN' })"
    }
}

if ($Remove -and $installedHere) {
    Write-Host 'Removing'
    $log = Join-Path $out 'remove.log'
    $done = Start-Process msiexec.exe -Wait -PassThru -ArgumentList @('/x', "`"$((Resolve-Path $Msi).Path)`"", '/qn', '/l*v', "`"$log`"", 'PURGE=1')
    $left = @($data, (Split-Path $program)) | Where-Object { Test-Path $_ }
    Add-Content -Encoding UTF8 (Join-Path $out 'alarms.txt') "removed: exit code $($done.ExitCode), left: $($left -join ', ')"
}

Write-Host "`r`nAll is in $out. Look through it, then send it in."
