//! The letters of an address that a database can store. PostgreSQL refuses a text that
//! its encoding lacks, which would end the transaction: so it is asked first.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};

use crate::{
    domain::address::{Address, FoldedText, Match},
    store::{error::StoreError, snapshot::Snapshot},
};

/// An address as far as it can be stored in a database; `None` where it cannot be.
pub(super) async fn storable(
    snapshot: &mut Snapshot<'_>,
    address: &Address,
) -> Result<Option<Address>, StoreError> {
    let form = match &address.form {
        Match::AnyOf(texts) => texts_storable(snapshot, texts).await?.map(Match::AnyOf),
        Match::PhoneNumber { exact, whatsapp } => {
            let exact = texts_storable(snapshot, exact).await?;
            exact.map(|exact| Match::PhoneNumber {
                exact,
                whatsapp: whatsapp.clone(),
            })
        }
        Match::IgnoreCase(characters) => storable_characters(snapshot, characters)
            .await?
            .map(Match::IgnoreCase),
    };
    Ok(form.map(|form| Address {
        kind: address.kind,
        form,
    }))
}

async fn texts_storable(
    snapshot: &mut Snapshot<'_>,
    texts: &[SecretString],
) -> Result<Option<Vec<SecretString>>, StoreError> {
    let mut storable = Vec::new();
    for text in texts {
        if snapshot.can_encode(text.expose_secret()).await? {
            storable.push(text.clone());
        }
    }
    Ok(Some(storable).filter(|texts| !texts.is_empty()))
}

/// With the forms of each letter that can be stored. Most texts take one question; a
/// letter that cannot be stored is found by halves.
async fn storable_characters(
    snapshot: &mut Snapshot<'_>,
    characters: &FoldedText,
) -> Result<Option<FoldedText>, StoreError> {
    let distinct: BTreeSet<_> = characters.0.iter().collect();
    let mut parts = vec![distinct.into_iter().collect::<Vec<_>>()];
    let mut unknown = BTreeSet::new();
    while let Some(part) = parts.pop() {
        let text: String = part
            .iter()
            .flat_map(|forms| forms.iter())
            .cloned()
            .collect();
        if snapshot.can_encode(&text).await? {
            continue;
        }
        if let [forms] = part.as_slice() {
            for form in *forms {
                if !snapshot.can_encode(form).await? {
                    unknown.insert(form);
                }
            }
            if forms.iter().all(|form| unknown.contains(form)) {
                return Ok(None);
            }
        } else {
            let (left, right) = part.split_at(part.len() / 2);
            parts.extend([right.to_vec(), left.to_vec()]);
        }
    }
    let known = |forms: &Vec<String>| {
        let known = forms.iter().filter(|form| !unknown.contains(form));
        known.cloned().collect()
    };
    Ok(Some(FoldedText(characters.0.iter().map(known).collect())))
}
