"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { camel, type Camel, snake } from "@/api/case";
import {
  getCurrentUserOptions,
  getCurrentUserQueryKey,
  getProfileOptions,
  getProfileQueryKey,
  listConsentsOptions,
  listConsentsQueryKey,
} from "@/api/generated/@tanstack/react-query.gen";
import { login, logout, signup, updateProfile, withdrawConsent } from "@/api/generated/sdk.gen";
import type {
  Consent,
  LoginData,
  Profile,
  SignupData,
  UpdateProfileData,
  UserInfo,
} from "@/api/generated/types.gen";

import { useTenantSession } from "./provider";

export type User = Camel<UserInfo>;
export type UserProfile = Camel<Profile>;
export type ConnectedApp = Camel<Consent>;
export type Credentials = Omit<Camel<LoginData["body"]>, "delivery">;
export type NewUser = Camel<SignupData["body"]>;
export type ProfileChange = Camel<UpdateProfileData["body"]>;

/** What every call of this tenant's session API has in common. */
function useCall() {
  const { tenant, api } = useTenantSession();
  return { client: api.client, path: { tenant } };
}

export function useCurrentUser() {
  return useQuery({ ...getCurrentUserOptions(useCall()), select: camel<UserInfo> });
}

export function useProfile() {
  return useQuery({ ...getProfileOptions(useCall()), select: camel<Profile> });
}

export function useConnectedApps() {
  return useQuery({
    ...listConsentsOptions(useCall()),
    select: ({ items }): ConnectedApp[] => camel(items),
  });
}

/** Signs in; both tokens come in HttpOnly cookies, and the answer says who it is. */
export function useLogin() {
  const { api, store } = useTenantSession();
  const queries = useQueryClient();
  const call = useCall();
  return useMutation({
    mutationFn: async (credentials: Credentials) => {
      const body = { ...snake(credentials), delivery: "cookie" as const };
      const { data } = await login({ ...call, body, throwOnError: true });
      return data.user;
    },
    onSuccess: (user) => {
      queries.setQueryData(getCurrentUserQueryKey(call), user);
      store.enter();
      api.announceSignIn();
    },
  });
}

/** Makes a user. It does not sign in. */
export function useSignup() {
  const call = useCall();
  return useMutation({
    mutationFn: async (user: NewUser): Promise<User> => {
      const { data } = await signup({ ...call, body: snake(user), throwOnError: true });
      return camel(data);
    },
  });
}

export function useLogout() {
  const { store } = useTenantSession();
  const call = useCall();
  return useMutation({
    mutationFn: async () => {
      // The tokens are in the cookies; the body could carry one for clients without.
      await logout({ ...call, body: {}, throwOnError: true });
    },
    onSuccess: () => store.leave("signed-out"),
  });
}

export function useUpdateProfile() {
  const queries = useQueryClient();
  const call = useCall();
  return useMutation({
    mutationFn: async (change: ProfileChange) => {
      const { data } = await updateProfile({ ...call, body: snake(change), throwOnError: true });
      return data;
    },
    onSuccess: (profile) => queries.setQueryData(getProfileQueryKey(call), profile),
  });
}

export function useDisconnectApp() {
  const queries = useQueryClient();
  const call = useCall();
  return useMutation({
    mutationFn: async ({ clientId }: Pick<ConnectedApp, "clientId">) => {
      const path = { ...call.path, client_id: clientId };
      await withdrawConsent({ ...call, path, throwOnError: true });
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: listConsentsQueryKey(call) }),
  });
}
