"use client";

import { useState } from "react";

import { describe, failureOf } from "@/api/failure";
import { type ProfileChange, useProfile, useUpdateProfile, type UserProfile } from "@/session/hooks";
import { Alert } from "@/ui/alert";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import forms from "@/ui/form.module.css";
import { showToast } from "@/ui/toasts";
import { useForm } from "@/ui/use-form";

import { Bars, Card, Facts } from "./card";
import styles from "./profile-card.module.css";

const LABELS = { nickname: "Nickname", website: "Website", phoneNumber: "Phone number" };

export function ProfileCard() {
  const { data: profile, error } = useProfile();
  const [isEdited, setEdited] = useState(false);
  const edit = profile && !isEdited && (
    <Button look="quiet" onClick={() => setEdited(true)} aria-label="Edit profile">
      Edit
    </Button>
  );
  return (
    <Card title="Profile" icon="user" action={edit}>
      {profile ? (
        isEdited ? (
          <ProfileForm profile={profile} onDone={() => setEdited(false)} />
        ) : (
          <ProfileFacts profile={profile} />
        )
      ) : error ? (
        <Alert>{describe(failureOf(error))}</Alert>
      ) : (
        <Bars count={5} />
      )}
    </Card>
  );
}

function ProfileFacts({ profile }: { profile: UserProfile }) {
  return (
    <Facts
      facts={[
        [LABELS.nickname, profile.nickname ?? <Unknown />],
        [LABELS.website, profile.website ?? <Unknown />],
        [LABELS.phoneNumber, profile.phoneNumber ?? <Unknown />],
      ]}
    />
  );
}

/** What is to be sent: a merge patch (RFC 7396). What stays is not mentioned, null takes away. */
function changesOf(profile: UserProfile, values: Record<keyof typeof LABELS, string>): ProfileChange {
  const change: ProfileChange = {};
  for (const name of ["nickname", "website", "phoneNumber"] as const) {
    const value = values[name].trim();
    if (value !== (profile[name] ?? "")) change[name] = value || null;
  }
  return change;
}

function Unknown() {
  return <span className={styles.unknown}>Not said</span>;
}

function ProfileForm({ profile, onDone }: { profile: UserProfile; onDone: () => void }) {
  const { mutateAsync: update } = useUpdateProfile();
  const form = useForm({
    labels: LABELS,
    required: [],
    submit: async (values) => {
      await update(changesOf(profile, values));
      showToast("done", "Your profile is saved.");
      onDone();
    },
  });
  return (
    <form {...form.props} className={forms.form} aria-label="Profile">
      {form.message && <Alert>{form.message}</Alert>}
      <Field
        label={LABELS.nickname}
        name="nickname"
        autoComplete="nickname"
        defaultValue={profile.nickname}
        problem={form.problemOf("nickname")}
        autoFocus
      />
      <Field
        label={LABELS.website}
        name="website"
        type="url"
        autoComplete="url"
        defaultValue={profile.website}
        problem={form.problemOf("website")}
      />
      <Field
        label={LABELS.phoneNumber}
        name="phoneNumber"
        type="tel"
        autoComplete="tel"
        hint="With the country, such as +441632960961."
        defaultValue={profile.phoneNumber}
        problem={form.problemOf("phoneNumber")}
      />
      <div className={styles.actions}>
        <Button type="submit" isPending={form.isPending} pendingText="Saving…">
          Save
        </Button>
        <Button look="quiet" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
