# An image that holds the program, the authorities that an https upstream may be
# signed by, the licences, and nothing else.
#
#     docker build -t gatehouse .

FROM golang:1.26.11 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /gatehouse ./cmd/gatehouse

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE THIRD_PARTY_NOTICES /
COPY --from=build /gatehouse /gatehouse

# No name: there is no /etc/passwd to look it up in.
USER 65532:65532
EXPOSE 5043
ENTRYPOINT ["/gatehouse"]
CMD ["serve"]
