"""The words of the field as vaecli uses them."""

# Term, with its symbol or its synonym, to meaning.
GLOSSARY = {
    "latent z": "vector that encodes an image.",
    "posterior q(z|x,c)": "the encoder's distribution of latents of an image.",
    "prior p(z|c)": "the distribution that new latents are sampled from.",
    "likelihood p(x|z,c)": "the decoder's distribution of images.",
    "context c": "one-hot label of a conditional model.",
    "objective": "what computes the loss.",
    "distortion": "expected -log p(x|z), the reconstruction error.",
    "rate": "KL(q||p), the information in the latent.",
    "nat": "unit of information, 1.44 bits.",
    "bound (ELBO)": "-(distortion + rate), at most log p(x).",
    "NLL": "-log p(x), estimated by importance sampling.",
    "beta": "weight of the rate.",
    "annealing": "raising beta from 0.",
    "free bits": "nats of rate without cost.",
    "capacity": "target of the rate, in nats.",
    "aggregate posterior": "mean posterior of all images.",
    "critic (discriminator)": "network that tells two kinds of samples apart.",
    "total correlation": "dependence between latent dimensions.",
    "codebook": "learned vectors that latents are rounded to.",
    "flow": "invertible network with a known Jacobian determinant.",
    "protocol": "how pixels are scored; compare only losses of the same protocol.",
    "preset": "options of a published model, by name.",
    "spec": "name:option=value,..., selects a part and sets its options.",
}
