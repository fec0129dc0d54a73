//! The update agent of Windows (`Microsoft.Update.Session`). Its calls may take minutes or for ever: only a process of its
//! own that can be ended may make them.

use crate::watch::update::{Answer, Known, Offered, moment_of_ole};
use jiff::Timestamp;
use windows::Win32::Foundation::{E_NOINTERFACE, REGDB_E_CLASSNOTREG, VARIANT_FALSE};
use windows::Win32::System::Com::{
    CLSCTX_INPROC_SERVER, COINIT_MULTITHREADED, CoCreateInstance, CoInitializeEx,
};
use windows::Win32::System::UpdateAgent::{
    AutomaticUpdates, IAutomaticUpdates2, IStringCollection, IUpdate, IUpdateCollection, IUpdateSearcher,
    IUpdateSession, UpdateSession, orcSucceeded, orcSucceededWithErrors,
};
use windows::Win32::System::Variant::{VARIANT, VT_DATE};
use windows::core::{BSTR, Error, HRESULT, Result};

/// What a host may have to install: no drivers and nothing that is only offered to who asks for it.
const OFFERED: &str = "IsInstalled=0 and Type='Software' and BrowseOnly=0";
const INSTALLED: &str = "IsInstalled=1 and Type='Software'";

/// No host has more updates, and no update more of anything.
const MOST: i32 = 10_000;

/// The service of the agent is switched off.
const DISABLED: HRESULT = HRESULT(0x8007_0422_u32.cast_signed());

/// Asks the agent what its last search found, without the network; not if its state is the one that is known.
#[must_use]
pub fn ask(unless: Option<&str>) -> Answer {
    match try_to_ask(unless) {
        Ok(answer) => answer,
        Err(error) if [REGDB_E_CLASSNOTREG, E_NOINTERFACE].contains(&error.code()) => {
            Answer::NoAgent(format!("there is no update agent on this Windows, or not a whole one: {}", words(&error)))
        }
        Err(error) if error.code() == DISABLED => Answer::Failed(
            "the service wuauserv is disabled, so nobody knows which updates there are: sc config wuauserv start= demand"
                .to_owned(),
        ),
        Err(error) => Answer::Failed(format!("the update agent gave no answer: {}", words(&error))),
    }
}

fn words(error: &Error) -> String {
    let message = error.message();
    let message = if message.trim().is_empty() { "error" } else { message.trim() };
    format!("{message} {:#010x}", error.code().0)
}

fn try_to_ask(unless: Option<&str>) -> Result<Answer> {
    // SAFETY: COM is made ready for this thread first and stays so until the process ends. Each interface lives as long
    // as it is used; all values that come back are owned by what holds them here.
    unsafe {
        CoInitializeEx(None, COINIT_MULTITHREADED).ok()?;
        let session: IUpdateSession = CoCreateInstance(&UpdateSession, None, CLSCTX_INPROC_SERVER)?;
        let agent = session.CreateUpdateSearcher()?;
        let automatic: IAutomaticUpdates2 = CoCreateInstance(&AutomaticUpdates, None, CLSCTX_INPROC_SERVER)?;
        let results = automatic.Results()?;
        let searched = results.LastSearchSuccessDate().ok().and_then(|date| moment_of(&date));
        let installed = results.LastInstallationSuccessDate().ok().and_then(|date| moment_of(&date));
        let shown =
            |moment: Option<Timestamp>| moment.map_or_else(|| "never".to_owned(), |at| at.to_string());
        // A search, an installation, or anything else that is written into the history.
        let state = format!("{}/{}/{}", shown(searched), shown(installed), agent.GetTotalHistoryCount()?);
        if unless == Some(state.as_str()) {
            return Ok(Answer::Same(state));
        }
        agent.SetOnline(VARIANT_FALSE)?;
        let (waiting, is_whole) = search(&agent, OFFERED)?;
        let mut offered = Vec::new();
        for index in 0..waiting.Count()?.min(MOST) {
            offered.push(describe(&waiting.get_Item(index)?)?);
        }
        let installed = u64::try_from(search(&agent, INSTALLED)?.0.Count()?).unwrap_or(0);
        if !is_whole {
            return Ok(Answer::Failed("the update agent could not read all that it knows".to_owned()));
        }
        Ok(Answer::Known(Known { state, searched, installed, offered }))
    }
}

/// What was found, and whether that is all.
///
/// # Safety
/// COM must be ready for this thread.
unsafe fn search(searcher: &IUpdateSearcher, criteria: &str) -> Result<(IUpdateCollection, bool)> {
    // SAFETY: the caller has made COM ready, and the text outlives the call.
    unsafe {
        let found = searcher.Search(&BSTR::from(criteria))?;
        let code = found.ResultCode()?;
        if code != orcSucceeded && code != orcSucceededWithErrors {
            return Err(Error::new(
                HRESULT(0x8000_4005_u32.cast_signed()),
                format!("its search ended with code {}", code.0),
            ));
        }
        Ok((found.Updates()?, code == orcSucceeded))
    }
}

/// What an update says of itself.
///
/// # Safety
/// COM must be ready for this thread.
unsafe fn describe(update: &IUpdate) -> Result<Offered> {
    // SAFETY: the caller has made COM ready; all values that come back are owned here.
    unsafe {
        let categories = update.Categories()?;
        let mut named = Vec::new();
        for index in 0..categories.Count()?.min(MOST) {
            let category = categories.get_Item(index)?;
            named.push((category.CategoryID()?.to_string(), category.Name()?.to_string()));
        }
        Ok(Offered {
            id: update.Identity()?.UpdateID()?.to_string(),
            title: update.Title()?.to_string(),
            articles: texts(&update.KBArticleIDs()?)?,
            categories: named,
            // Most have none, and say so with an error or an empty text.
            severity: update.MsrcSeverity().map(|text| text.to_string()).unwrap_or_default(),
            given_out: update.LastDeploymentChangeTime().ok().and_then(moment_of_ole),
            hidden: update.IsHidden()?.as_bool(),
            replaces: texts(&update.SupersededUpdateIDs()?)?,
        })
    }
}

/// All texts of a list.
///
/// # Safety
/// COM must be ready for this thread.
unsafe fn texts(list: &IStringCollection) -> Result<Vec<String>> {
    // SAFETY: the caller has made COM ready; all values that come back are owned here.
    unsafe { (0..list.Count()?.min(MOST)).map(|index| Ok(list.get_Item(index)?.to_string())).collect() }
}

/// The moment in a value, if it is one.
fn moment_of(value: &VARIANT) -> Option<Timestamp> {
    // SAFETY: which of its fields is meant is said by its kind, which is asked first.
    unsafe {
        let value = &value.Anonymous.Anonymous;
        (value.vt == VT_DATE).then(|| moment_of_ole(value.Anonymous.date)).flatten()
    }
}
