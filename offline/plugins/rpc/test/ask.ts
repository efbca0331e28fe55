/** Calls of a generated gRPC client as promises. */
import type { CallOptions, ClientUnaryCall, Metadata, ServiceError } from "@grpc/grpc-js";

type Done<Answer> = (error: ServiceError | null, answer: Answer) => void;
/** The overloads of a generated method, in their order: so that its types can be inferred. */
export interface Unary<Request, Answer> {
  (request: Request, callback: Done<Answer>): ClientUnaryCall;
  (request: Request, metadata: Metadata, callback: Done<Answer>): ClientUnaryCall;
  (request: Request, metadata: Metadata, options: Partial<CallOptions>, callback: Done<Answer>): ClientUnaryCall;
}

/** The answer; rejects with the ServiceError. */
export function ask<Request, Answer>(
  client: object,
  method: Unary<Request, Answer>,
  request: Request,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const done: Done<Answer> = (error, answer) => {
      if (error) reject(error);
      else resolve(answer);
    };
    Reflect.apply(method, client, [request, done]);
  });
}

/** The ServiceError of a call that must fail. */
export async function refusal<Request, Answer>(
  client: object,
  method: Unary<Request, Answer>,
  request: Request,
): Promise<ServiceError> {
  return ask(client, method, request).then(
    () => {
      throw new Error("the call succeeded");
    },
    (error: unknown) => error as ServiceError,
  );
}
