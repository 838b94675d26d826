"use client";

import { type FormEvent, useEffect, useId, useState } from "react";

import { describe, type Failure, failureOf } from "@/api/failure";

/** What is wrong with a form: with fields, by their names, or with all of it. */
export interface Problems<Name extends string> {
  fields?: Partial<Record<Name, string>>;
  message?: string;
  /** The field to go to when none is marked. */
  focus?: Name;
}

interface FormOptions<Name extends string> {
  /** The fields and what people call them. */
  labels: Record<Name, string>;
  /** Checked before anything is sent. The server knows the rules; this spares a round trip. */
  required: readonly NoInfer<Name>[];
  submit: (values: Record<Name, string>) => Promise<void>;
  /** Says a refusal in better words than the server can. */
  explain?: (failure: Failure) => Problems<NoInfer<Name>> | null;
}

export interface Form<Name extends string> {
  /** For the `form` element. */
  props: {
    id: string;
    /** Should a form ever be sent without scripts, its values must not end up in an address. */
    method: "post";
    noValidate: true;
    onSubmit: (event: FormEvent<HTMLFormElement>) => void;
  };
  isPending: boolean;
  /** For an alert above the fields. */
  message: string | undefined;
  problemOf: (name: Name) => string | undefined;
}

/** Sends a form, and shows what comes back where it belongs. */
export function useForm<Name extends string>(options: FormOptions<Name>): Form<Name> {
  const id = useId();
  const [isPending, setPending] = useState(false);
  const [problems, setProblems] = useState<Problems<Name>>({});

  // Focus goes to the first field that is wrong: its problem is read with it.
  useEffect(() => {
    const form = document.getElementById(id);
    if (!(form instanceof HTMLFormElement)) return;
    const named = problems.focus && form.elements.namedItem(problems.focus);
    const field = named || form.querySelector("[aria-invalid]");
    if (field instanceof HTMLInputElement) field.focus();
  }, [id, problems]);

  const send = async (values: Record<Name, string>) => {
    const missing = options.required.filter((name) => values[name].trim() === "");
    if (missing.length > 0) {
      const fields: Partial<Record<Name, string>> = {};
      for (const name of missing) fields[name] = `${options.labels[name]} is missing.`;
      setProblems({ fields });
      return;
    }
    setPending(true);
    setProblems({});
    try {
      await options.submit(values);
    } catch (error) {
      const failure = failureOf(error);
      setProblems(options.explain?.(failure) ?? problemsOf(failure, options.labels));
    } finally {
      setPending(false);
    }
  };

  return {
    props: {
      id,
      method: "post",
      noValidate: true,
      onSubmit: (event) => {
        event.preventDefault();
        if (!isPending) void send(valuesOf(event.currentTarget, options.labels));
      },
    },
    isPending,
    message: problems.message,
    problemOf: (name) => problems.fields?.[name],
  };
}

function valuesOf<Name extends string>(
  form: HTMLFormElement,
  labels: Record<Name, string>,
): Record<Name, string> {
  const data = new FormData(form);
  const values = { ...labels };
  for (const name in labels) {
    const value = data.get(name);
    values[name] = typeof value === "string" ? value : "";
  }
  return values;
}

/** A problem document's `errors`, each at its field; what belongs to none, above them all. */
function problemsOf<Name extends string>(
  failure: Failure,
  labels: Record<Name, string>,
): Problems<Name> {
  if (failure.kind !== "refused") return { message: describe(failure) };
  const fields: Partial<Record<Name, string>> = {};
  for (const name in labels) {
    const detail = failure.fields[name];
    if (detail) fields[name] = `${labels[name]} ${detail}.`;
  }
  const isShown = Object.keys(failure.fields).every((name) => name in fields);
  const isAtFields = isShown && Object.keys(fields).length > 0;
  return isAtFields ? { fields } : { fields, message: describe(failure) };
}
